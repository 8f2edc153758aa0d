using BlockQuant.Kernels.Cuda;
using BlockQuant.Tests.Hardening;

namespace BlockQuant.Tests.Cuda;

internal sealed class LoadedOnceTests
{
    [Test]
    public void What_failed_is_tried_again_and_what_loaded_is_kept()
    {
        var loaded = new LoadedOnce<int, string>();
        int tries = 0;
        string Load(string source) => ++tries == 1 ? throw new DeviceException("no memory") : $"{source} {tries}";

        FluentActions.Invoking(() => loaded.Get(1, "module", Load)).Should().Throw<DeviceException>();

        loaded.Get(1, "module", Load).Should().Be("module 2");
        loaded.Get(1, "other", Load).Should().Be("module 2");
        loaded.Get(2, "other", Load).Should().Be("other 3");
    }

    [Test]
    public void Threads_load_a_thing_once()
    {
        var loaded = new LoadedOnce<int, string>();
        int loads = 0;

        Simultaneous.Run(8, _ => loaded.Get(1, "module", source =>
        {
            Thread.Sleep(20);
            return $"{source} {Interlocked.Increment(ref loads)}";
        }).Should().Be("module 1"));

        loads.Should().Be(1);
    }
}
