using BlockQuant.Scheduling;
using BlockQuant.Storage;

namespace BlockQuant.Tests;

/// <summary>Code of the documents, word for word between the markers, of which the first names the document.</summary>
internal static class DocumentExamples
{
    public static void Tune(ComputeDevice device, string file, IEnumerable<int> batches, int outputs, int depth)
    {
        // begin performance.md
        TunedPlans plans = TunedPlans.Load(file, device.Name);   // empty where the file is not there yet
        foreach (int tokens in batches)
        {
            PlanTuning.Tune(device, tokens, outputs, depth, plans);
            PlanTuning.Tune(device, tokens, outputs, depth, plans, ElementFormat.Int8);   // INT8 has plans of its own
        }

        plans.Save(file);
        device.Plans = plans;
        // end
    }

    public static DeviceFault Status(ComputeDevice device, DeviceMatrix<int> expertIds, ExpertRoutingTable table)
    {
        // begin errors.md
        using var status = new DeviceStatus(device);
        device.Routing.Route(expertIds.View, table.View, table.Workspace.View, status.View);
        DeviceFault fault = status.Read();   // waits; fault.Code is None, or e.g. ExpertOutOfRange: "expert id 3 at 7; expected 0 to 2"
        // end
        return fault;
    }

    public static void Experts(ComputeDevice device, string path, int experts, int n, int k)
    {
        // begin operators.md
        using var checkpoint = Checkpoint.Open(path);
        using var weights = new ExpertWeights<Float8E4M3>(device, experts, n, k, QuantizationScheme.Fp8Block128);
        for (int expert = 0; expert < experts; expert++)
        {
            weights.CopyFrom(expert, QuantizedMatrix.FromCheckpoint(checkpoint, $"model.layers.0.mlp.experts.{expert}.down_proj"));
        }
        // end
    }

    public static void Use(ComputeDevice device, string file)
    {
        // begin performance.md
        device.Plans = TunedPlans.Load(file, device.Name);
        // end
    }
}
