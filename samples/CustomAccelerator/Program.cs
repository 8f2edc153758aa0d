using BlockQuant;
using BlockQuant.Reference;
using BlockQuant.Samples;
using ILGPU.Runtime;

// The library on a context, an accelerator, memory and a stream of one's own, with a kernel of one's own between its operators:
// max(gate, 0) * up, quantized to FP8, times a weight.
const int Tokens = 8;
const int Intermediate = 128;
const int Hidden = 128;

var random = new Random(20261121);
BFloat16[] gateUp = Samples.ToBFloat16(Samples.Normal(random, Tokens * 2 * Intermediate));
float[] weightValues = Samples.Normal(random, Hidden * Intermediate, 1 / Math.Sqrt(Intermediate));
QuantizedMatrix hostWeight = ReferenceOperators.QuantizeFp8(weightValues, Hidden, Intermediate, QuantizationScheme.Fp8Block128);

using var own = new OwnAccelerator();
using ComputeDevice device = own.CreateDevice();
Console.WriteLine($"device: {device}");
using AcceleratorStream stream = own.CreateStream();
using OwnMemory<ushort> gateUpMemory = own.Allocate<ushort>(gateUp.Length);
using OwnMemory<BFloat16> activated = own.Allocate<BFloat16>(Tokens * Intermediate);
using OwnMemory<BFloat16> output = own.Allocate<BFloat16>(Tokens * Hidden);
using var quantized = new QuantizedDeviceMatrix<Float8E4M3>(device, Tokens, Intermediate, QuantizationScheme.Fp8TokenGroup128);
using var weight = device.Upload<Float8E4M3>(hostWeight);

// Everything below is issued to the one stream, in order; nothing allocates or waits until the result is copied.
gateUpMemory.CopyFrom(Array.ConvertAll(gateUp, value => value.Bits), stream);
own.Launch(GatedReluKernel.Run, Tokens, Intermediate / GatedReluKernel.ColumnsOfLane, new GatedReluArguments(gateUpMemory.View, activated.View.Cast<ushort>()), stream);
device.Fp8.Quantize(new MatrixView<BFloat16>(activated.View, Tokens, Intermediate), quantized.View, stream);
device.Fp8.Multiply(quantized.View, weight.View, new MatrixView<BFloat16>(output.View, Tokens, Hidden), stream: stream);
BFloat16[] found = output.ToArray(stream);

float[] expectedActivation = GatedReluKernel.OnHost(Samples.ToSingle(gateUp), Intermediate);
QuantizedMatrix expectedQuantized = ReferenceOperators.QuantizeFp8(expectedActivation, Tokens, Intermediate, QuantizationScheme.Fp8TokenGroup128);
return Samples.Compare(found, ReferenceOperators.Multiply(expectedQuantized, hostWeight), 5e-3);
