using BlockQuant.Reference;
using ILGPU.Runtime;

namespace BlockQuant.Samples;

/// <summary>x [tokens, hidden] → up → down → [tokens, hidden], over memory allocated once, so that a graph may hold its addresses.</summary>
internal sealed class DecodeStep : IDisposable
{
    private readonly ComputeDevice device;
    private readonly QuantizedMatrix hostUp;
    private readonly QuantizedMatrix hostDown;
    private readonly QuantizedDeviceMatrix<Float8E4M3> up;
    private readonly QuantizedDeviceMatrix<Float8E4M3> down;
    private readonly QuantizedDeviceMatrix<Float8E4M3> quantizedInput;
    private readonly QuantizedDeviceMatrix<Float8E4M3> quantizedMiddle;
    private readonly DeviceMatrix<BFloat16> middle;

    public DecodeStep(ComputeDevice device, Random random, int tokens, int hidden, int intermediate)
    {
        this.device = device;
        hostUp = Weight(random, intermediate, hidden);
        hostDown = Weight(random, hidden, intermediate);
        up = device.Upload<Float8E4M3>(hostUp);
        down = device.Upload<Float8E4M3>(hostDown);
        // Nothing writes the weights from here on, so a product may begin to read them while the kernel ahead of it ends.
        (up.IsConstant, down.IsConstant) = (true, true);
        Input = device.Upload<BFloat16>(new BFloat16[tokens * hidden], tokens, hidden);
        quantizedInput = new QuantizedDeviceMatrix<Float8E4M3>(device, tokens, hidden, QuantizationScheme.Fp8TokenGroup128);
        middle = new DeviceMatrix<BFloat16>(device, tokens, intermediate);
        quantizedMiddle = new QuantizedDeviceMatrix<Float8E4M3>(device, tokens, intermediate, QuantizationScheme.Fp8TokenGroup128);
        Output = new DeviceMatrix<BFloat16>(device, tokens, hidden);
    }

    public DeviceMatrix<BFloat16> Input { get; }

    public DeviceMatrix<BFloat16> Output { get; }

    /// <summary>Issues the step: operators over views allocate nothing and wait for nothing, which is what a graph can capture.</summary>
    public void Issue(AcceleratorStream stream)
    {
        device.Fp8.Quantize(Input.View, quantizedInput.View, stream);
        device.Fp8.Multiply(quantizedInput.View, up.View, middle.View, stream: stream);
        device.Fp8.Quantize(middle.View, quantizedMiddle.View, stream);
        device.Fp8.Multiply(quantizedMiddle.View, down.View, Output.View, stream: stream);
    }

    public double[] Reference(BFloat16[] x)
    {
        float[] values = Samples.RoundedToBFloat16(Multiply(Samples.ToSingle(x), hostUp));
        return Multiply(values, hostDown);
    }

    public void Dispose()
    {
        IDisposable[] all = [Output, quantizedMiddle, middle, quantizedInput, Input, down, up];
        Array.ForEach(all, one => one.Dispose());
    }

    private static double[] Multiply(float[] x, QuantizedMatrix weight)
    {
        QuantizedMatrix quantized = ReferenceOperators.QuantizeFp8(x, x.Length / weight.Columns, weight.Columns, QuantizationScheme.Fp8TokenGroup128);
        return ReferenceOperators.Multiply(quantized, weight);
    }

    private static QuantizedMatrix Weight(Random random, int rows, int columns)
        => ReferenceOperators.QuantizeFp8(Samples.Normal(random, rows * columns, 1 / Math.Sqrt(columns)), rows, columns, QuantizationScheme.Fp8Block128);
}
