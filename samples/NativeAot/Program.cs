// Quantizes and multiplies in an app that is trimmed or compiled ahead of time, and checks the products against float64.
//   dotnet publish samples/NativeAot -p:KernelHost=Emulator [-p:PublishMode=Trimmed]
// Ahead of time, -p:CppCompilerAndLinker=gcc -p:LinkerFlavor= links where there is no clang, and -p:IlcInstructionSet=native lets the host
// engine use this machine's vectors: unset, code is made for any x64 machine, with vectors of 128 bits.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using BlockQuant;
using BlockQuant.Reference;

const int Tokens = 64, Columns = 1024, Outputs = 512;
const double Tolerance = 3e-3;

var random = new Random(1);
BFloat16[] x = [.. Enumerable.Range(0, Tokens * Columns).Select(_ => BFloat16.FromSingle(random.NextSingle() - 0.5f))];
float[] w = [.. Enumerable.Range(0, Outputs * Columns).Select(_ => random.NextSingle() - 0.5f)];
QuantizedMatrix weight = ReferenceOperators.QuantizeFp8(w, Outputs, Columns, QuantizationScheme.Fp8Block128);

var clock = Stopwatch.StartNew();
using ComputeDevice device = ComputeDevice.CreateDefault();
Console.WriteLine($"{device}, code generation at run time: {(RuntimeFeature.IsDynamicCodeSupported ? "possible" : "impossible")}, opened in {clock.ElapsedMilliseconds} ms");

using DeviceMatrix<BFloat16> values = device.Upload<BFloat16>(x, Tokens, Columns);
using QuantizedDeviceMatrix<Float8E4M3> weights = device.Upload<Float8E4M3>(weight);
return Check("token groups", QuantizationScheme.Fp8TokenGroup128) && Check("one scale", QuantizationScheme.Fp8Tensor) ? 0 : 1;

bool Check(string name, QuantizationScheme scheme)
{
    clock.Restart();
    using QuantizedDeviceMatrix<Float8E4M3> activations = device.Fp8.Quantize(values, scheme);
    using DeviceMatrix<BFloat16> product = device.Fp8.Multiply<BFloat16>(activations, weights);
    device.Synchronize();
    long milliseconds = clock.ElapsedMilliseconds;

    float[] exact = Array.ConvertAll(x, value => (float)value);
    double[] expected = ReferenceOperators.Multiply(ReferenceOperators.QuantizeFp8(exact, Tokens, Columns, scheme), weight);
    BFloat16[] found = product.ToArray();
    double error = 0, norm = 0;
    for (int i = 0; i < expected.Length; i++)
    {
        error += Math.Pow((float)found[i] - expected[i], 2);
        norm += expected[i] * expected[i];
    }

    error = Math.Sqrt(error / norm);
    Console.WriteLine($"{name}: first call {milliseconds} ms, relative error {error:e1}, {(error < Tolerance ? "right" : "WRONG")}");
    return error < Tolerance;
}
