using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Operators;

/// <summary>LoRA shrink and expand against the outputs of vLLM's FP8 Triton kernels.</summary>
[Category("Golden")]
public sealed class LoraGoldenTests
{
    private const float Scaling = 0.5f;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    [TestCase("tensor")]
    [TestCase("channel")]
    [TestCase("block")]
    public void Shrink_agrees(string mode)
    {
        using SafetensorsFile golden = GoldenFolder.Open("lora");
        foreach (string name in Cases(golden, $"shrink_{mode}.out"))
        {
            string key = $"{name}.shrink_{mode}";
            int[] mapping = golden.Read<int>(name + ".mapping");
            long[] outShape = golden.Get(key + ".out").Shape;
            using QuantizedDeviceMatrix<Float8E4M3> x = Input(golden, key + ".x", mode);
            Slice[] slices = Slices(golden, key + ".a", key + ".a_scale", mode);
            using var map = new AdapterMap(Device, mapping, (int)slices[0].Device.Adapters);
            using DeviceMatrix<float> output = Device.Lora.Shrink(x, DeviceSlices(slices), map, Scaling);
            float[] found = output.ToArray();
            double[] expected = ReferenceOperators.LoraShrink(
                Dequantize(golden, key + ".x", mode), Array.ConvertAll(slices, slice => slice.Weights), mapping, Scaling);
            found.Length.Should().Be((int)(outShape[0] * outShape[1] * outShape[2]), key);
            Compare.RelativeError(found, expected).Should().BeLessThan(1e-5, $"{key} against float64");
            float[] reference = golden.Read<float>(key + ".out");

            // The reference is right only where its K tile, which depends on the shape, is not wider than a scale block.
            if (mode != "block" || Compare.RelativeError(reference, expected) < 1e-3)
            {
                Compare.RelativeError(found, reference).Should().BeLessThan(1e-5, $"{key} against the reference");
            }

            Dispose(slices);
        }
    }

    [TestCase("tensor", false)]
    [TestCase("tensor", true)]
    [TestCase("channel", false)]
    [TestCase("channel", true)]
    public void Expand_agrees(string mode, bool add)
    {
        using SafetensorsFile golden = GoldenFolder.Open("lora");
        string form = add ? "add" : "set";
        foreach (string name in Cases(golden, $"expand_{mode}_{form}.out"))
        {
            string key = $"{name}.expand_{mode}";
            int[] mapping = golden.Read<int>(name + ".mapping");
            long[] shape = golden.Get(key + ".y").Shape;
            long[] outShape = golden.Get($"{key}_{form}.out").Shape;
            Slice[] slices = Slices(golden, key + ".b", key + ".b_scale", mode);
            using var map = new AdapterMap(Device, mapping, (int)slices[0].Device.Adapters);
            using DeviceMatrix<Float8E4M3> codes = Device.Upload<Float8E4M3>(golden.Read<Float8E4M3>(key + ".y"), shape[0] * shape[1], shape[2]);
            float[] scales = golden.Read<float>(key + ".y_scale");
            using DeviceMatrix<float> scaleMatrix = Device.Upload<float>(scales, scales.Length, 1);
            var y = new LoraInput<Float8E4M3>(
                codes.View, scaleMatrix.View, mode == "tensor" ? QuantizationScheme.Fp8Tensor : QuantizationScheme.Fp8Token, (int)shape[0]);
            BFloat16[] before = add ? golden.Read<BFloat16>($"{key}_add.base") : new BFloat16[outShape[0] * outShape[1]];
            using DeviceMatrix<BFloat16> output = Device.Upload<BFloat16>(before, outShape[0], outShape[1]);
            Device.Lora.Expand(
                y, Array.ConvertAll(slices, slice => slice.Device.View), map.View, output.View, new LoraExpandOptions { AddInputs = add });
            Compare.RelativeError(Compare.ToSingle(output.ToArray()), Compare.ToSingle(golden.Read<BFloat16>($"{key}_{form}.out")))
                .Should().BeLessThan(3e-3, $"{key}_{form}");
            Dispose(slices);
        }
    }

    [Test]
    public void The_adapter_map_agrees()
    {
        using SafetensorsFile golden = GoldenFolder.Open("lora");
        foreach (string name in Cases(golden, "sorted_token_ids"))
        {
            int[] mapping = golden.Read<int>(name + ".mapping");
            int[] ids = golden.Read<int>(name + ".lora_ids");
            int[] counts = golden.Read<int>(name + ".tokens_per_lora");
            int[] starts = golden.Read<int>(name + ".lora_start");
            int adapters = ids.Max() + 1;
            foreach (bool onDevice in (ReadOnlySpan<bool>)[false, true])
            {
                using AdapterMap map = AdapterMapTests.Build(Device, mapping, adapters, onDevice);
                AdapterMapTests.Content found = AdapterMapTests.Read(map);
                found.SortedTokens.Should().Equal(golden.Read<int>(name + ".sorted_token_ids"), name);

                // The reference lists the adapters that have tokens, and fills up with -1 and zeros.
                for (int entry = 0; entry < ids.Length && counts[entry] > 0; entry++)
                {
                    int place = ids[entry] + 1;
                    (found.Ids[place], found.Counts[place], found.Starts[place]).Should().Be((ids[entry], counts[entry], starts[entry]), $"{name}, entry {entry}");
                }

                found.Counts.Sum().Should().Be(mapping.Length, name);
            }
        }
    }

    private static string[] Cases(SafetensorsFile golden, string key)
    {
        string[] cases = [.. GoldenFolder.Cases(golden, "case").Where(name => golden.TryGet($"{name}.{key}", out _))];
        cases.Should().NotBeEmpty($"{golden.Path} should hold a case with {key}");
        return cases;
    }

    private static QuantizationScheme InputScheme(string mode) => mode switch
    {
        "tensor" => QuantizationScheme.Fp8Tensor,
        "channel" => QuantizationScheme.Fp8Token,
        _ => QuantizationScheme.Fp8TokenGroup128,
    };

    private static QuantizationScheme WeightScheme(string mode) => mode switch
    {
        "tensor" => QuantizationScheme.Fp8Tensor,
        "channel" => QuantizationScheme.Fp8Channel,
        _ => QuantizationScheme.Fp8Block128,
    };

    private static QuantizedDeviceMatrix<Float8E4M3> Input(SafetensorsFile golden, string name, string mode)
    {
        long[] shape = golden.Get(name).Shape;
        var matrix = new QuantizedDeviceMatrix<Float8E4M3>(Device, shape[0], shape[1], InputScheme(mode));
        matrix.Codes.CopyFrom(golden.Read<Float8E4M3>(name));
        matrix.Scales.CopyFrom(golden.Read<float>(name + "_scale"));
        return matrix;
    }

    private static double[] Dequantize(SafetensorsFile golden, string name, string mode)
    {
        long[] shape = golden.Get(name).Shape;
        return Dequantize(golden.Read<Float8E4M3>(name), golden.Read<float>(name + "_scale"), InputScheme(mode), 1, (int)shape[0], (int)shape[1]);
    }

    private static Slice[] Slices(SafetensorsFile golden, string name, string scaleName, string mode)
    {
        var slices = new List<Slice>();
        for (int j = 0; golden.TryGet($"{name}{j}", out TensorInfo? info); j++)
        {
            (int adapters, int rows, int columns) = ((int)info.Shape[0], (int)info.Shape[1], (int)info.Shape[2]);
            Float8E4M3[] codes = golden.Read<Float8E4M3>($"{name}{j}");
            float[] scales = golden.Read<float>($"{scaleName}{j}");
            var device = new LoraDeviceSlice<Float8E4M3>(Device, WeightScheme(mode), adapters, rows, columns);
            device.Values.CopyFrom(codes);
            device.Scales.CopyFrom(scales);
            slices.Add(new Slice(device, new AdapterWeights(Dequantize(codes, scales, WeightScheme(mode), adapters, rows, columns), adapters, rows, columns)));
        }

        return [.. slices];
    }

    private static double[] Dequantize(Float8E4M3[] codes, float[] scales, QuantizationScheme scheme, int adapters, int rows, int columns)
    {
        (long blockRows, long blockColumns) = scheme.BlockOf(rows, columns);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        var values = new double[adapters * rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            (int adapter, int row, int column) = (i / (rows * columns), i / columns % rows, i % columns);
            values[i] = (double)codes[i].ToSingle() * scales[(adapter * scaleRows + row / blockRows) * scaleColumns + column / blockColumns];
        }

        return values;
    }

    private static LoraDeviceSlice<Float8E4M3>[] DeviceSlices(Slice[] slices) => Array.ConvertAll(slices, slice => slice.Device);

    private static void Dispose(Slice[] slices)
    {
        foreach (Slice slice in slices)
        {
            slice.Device.Dispose();
        }
    }

    private sealed record Slice(LoraDeviceSlice<Float8E4M3> Device, AdapterWeights Weights);
}
