using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>What operators over matrices do beside those over views.</summary>
internal sealed class MatrixTierTests
{
    [Test]
    public void A_shrink_has_finished_before_its_workspace_is_freed()
    {
        using ComputeDevice memory = TestDevice.Open();
        using var device = new CountingDevice(memory);
        using var x = new DeviceMatrix<float>(device, 4, 8);
        using var weights = new LoraDeviceSlice<float>(device, 2, 2, 8);
        using var map = new AdapterMap(device, [0, 1, 1, 0], 2);
        var options = new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 2 } };

        using DeviceMatrix<float> result = device.Lora.Shrink(x, [weights], map, 1f, options);

        device.Launches.Should().BePositive();
        device.Synchronizations.Should().Be(1);
    }
}
