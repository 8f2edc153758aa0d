using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>What must not go unnoticed with asynchronous copies (cp.async) and dependent launches: a wait that is missing.</summary>
internal sealed class AsyncTileTests : EmulatorFixture
{
    private const int Lanes = 64, Stages = 2;

    private struct Arguments
    {
        public long Source;
        public int Blocks, Existing, Early;
        public bool Waits, Syncs;
        public ArrayView<int> Target;
    }

    [Test]
    public void Copies_have_landed_when_their_lanes_have_waited()
    {
        Run(new() { Blocks = 4, Existing = 200, Waits = true, Syncs = true })
            .Should().Equal(Enumerable.Range(0, Lanes * 4).Select(i => Read(i) < 200 ? 4 * Read(i) + 1 : 0), "what does not exist becomes zeros");
    }

    // Where no lane waits for its own copies, and where it does not wait for the others'.
    [TestCase(false, true, FaultKind.SharedMemoryRace, "it reads shared address 1024, where a copy that lane 0 started has not been waited for")]
    [TestCase(true, false, FaultKind.UninitialisedSharedRead, "byte 16 of a read")]
    public void A_missing_wait_is_a_fault(bool waits, bool syncs, FaultKind kind, string what)
    {
        var fault = Assert.Throws<EmulatorFaultException>(() => Run(new() { Blocks = 4, Existing = 200, Waits = waits, Syncs = syncs }))!;

        fault.FaultKind.Should().Be(kind);
        fault.Message.Should().Contain(what);
    }

    // Zeros are copied too: who reads before they have landed reads what was there before.
    [Test]
    public void Zeros_that_are_not_waited_for_are_a_race()
    {
        Assert.Throws<EmulatorFaultException>(() => Run(new() { Blocks = 1, Syncs = true }))!.FaultKind.Should().Be(FaultKind.SharedMemoryRace);
        Run(new() { Blocks = 1, Waits = true, Syncs = true }).Should().OnlyContain(value => value == 0);
    }

    [Test]
    public void Two_copies_to_one_place_are_a_race()
    {
        static void CopyTwice(Arguments a)
        {
            AsyncTile.Copy4(Shared.Base() + 4, a.Source, 1);
            AsyncTile.Copy16(Shared.Base(), a.Source, 1);
        }

        Fault(CopyTwice).Message.Should().Contain("it copies to shared address 1024, where a copy that lane 0 started");
    }

    [Test]
    public void A_copy_outside_of_memory_or_not_aligned_is_a_fault()
    {
        static void Outside(Arguments a) => AsyncTile.Copy16(Place(0, Group.IdxX), a.Source + 256 * 16, 1);
        static void Disabled(Arguments a) => AsyncTile.Copy16(Place(0, Group.IdxX), a.Source + 256 * 16, 0);
        static void Misaligned(Arguments a) => AsyncTile.Copy16(Place(0, Group.IdxX) + 8, a.Source, 1);
        static void Beyond(Arguments a) => AsyncTile.Copy4(Place(1, Lanes), a.Source, 1);

        Fault(Outside).FaultKind.Should().Be(FaultKind.OutOfBoundsRead);
        Launch(Disabled, default);
        Fault(Misaligned).FaultKind.Should().Be(FaultKind.MisalignedAccess);
        Fault(Beyond).FaultKind.Should().Be(FaultKind.OutOfBoundsWrite);
    }

    [Test]
    public void What_kernels_ahead_may_write_is_not_touched_before_they_have_ended()
    {
        static void Read(Arguments a)
        {
            GlobalMemory.Prefetch(a.Source, 1);
            GlobalMemory.LoadCurrent4(a.Source, 1);
            if (a.Early != 0)
                GlobalMemory.Load4(a.Source, 1);
            DependentLaunch.Wait();
            GlobalMemory.Load16(a.Source, 1);
        }

        Launch(Read, default, isDependent: true);
        Launch(Read, new() { Early = 1 });
        var fault = Assert.Throws<EmulatorFaultException>(() => Launch(Read, new() { Early = 1 }, isDependent: true))!;
        fault.FaultKind.Should().Be(FaultKind.EarlyAccess);
        fault.Message.Should().StartWith("access ahead of the kernels before in kernel 'Kernel', group (0, 0, 0), lane 0");
    }

    // The element of the source that a place of the target gets: of the lane behind.
    private static int Read(int place) => place / Lanes * Lanes + (place + 1) % Lanes;

    // Blocks of 16 bytes a lane go through two stages of shared memory, as those of the dense kernel go through three.
    private static void Stage(Arguments a)
    {
        Copy(a, 0);
        for (int block = 0; block < a.Blocks; block++)
        {
            Copy(a, block + 1);
            if (a.Waits)
                AsyncTile.WaitForAllButOne();
            if (a.Syncs)
                Warpgroup.Sync(0, Lanes);
            int value = PendingCopies.Own.Load<int>(Place(block, (Group.IdxX + 1) % Lanes));
            a.Target[block * Lanes + Group.IdxX] = value;
            if (a.Syncs)
                Warpgroup.Sync(0, Lanes);
        }
    }

    private static void Copy(Arguments a, int block)
    {
        int element = block * Lanes + Group.IdxX;
        AsyncTile.Copy16(Place(block, Group.IdxX), a.Source + element * 16, block < a.Blocks && element < a.Existing ? 1 : 0);
        AsyncTile.Commit();
    }

    private static int Place(int block, int lane) => Shared.Base() + (block % Stages * Lanes + lane) * 16;

    private int[] Run(Arguments arguments)
    {
        arguments.Target = Upload(new int[arguments.Blocks * Lanes]);
        Launch(Stage, arguments);
        return Download(arguments.Target);
    }

    private EmulatorFaultException Fault(Action<Arguments> kernel) => Assert.Throws<EmulatorFaultException>(() => Launch(kernel, default))!;

    private void Launch(Action<Arguments> kernel, Arguments arguments, bool isDependent = false)
    {
        ArrayView<int> source = Upload(Enumerable.Range(1, 256 * 4).ToArray());
        arguments.Source = source.LoadEffectiveAddressAsPtr();
        var memory = new AddressSpace([new MemoryRegion("source", arguments.Source, 1, 256 * 16, 256 * 16)], []) { IsDependent = isDependent };
        KernelConfig config = (1, Lanes, new SharedMemoryConfig(Stages * Lanes * 16, 1));
        Accelerator.Launch("Kernel", kernel, config, arguments, 1, memory);
    }
}
