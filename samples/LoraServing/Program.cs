using BlockQuant;
using BlockQuant.Samples;

// A fused q, k and v projection in FP8 that serves a batch of requests, each with a LoRA adapter of its own or with none.
const int Hidden = 256;
const int Rank = 16;
const int Adapters = 3;
const float Scaling = 0.5f;
int[] widths = [256, 128, 128];
int[] adapterOfToken = [0, 0, 2, -1, 1, 1, 1, 0, 2, -1, 2, 0];
int tokens = adapterOfToken.Length;

var random = new Random(20261121);
var layer = LoraLayer.Random(random, widths, Hidden, Rank, Adapters);
BFloat16[] x = Samples.ToBFloat16(Samples.Normal(random, tokens * Hidden));

using ComputeDevice device = ComputeDevice.CreateDefault();
Console.WriteLine($"device: {device}");
using var weight = device.Upload<Float8E4M3>(layer.Weight);
using var activations = device.Upload<BFloat16>(x, tokens, Hidden);
LoraDeviceSlice<BFloat16>[] shrinks = Array.ConvertAll(layer.A, a => LoraLayer.Upload(device, a));
LoraDeviceSlice<BFloat16>[] expands = Array.ConvertAll(layer.B, b => LoraLayer.Upload(device, b));
using var map = new AdapterMap(device, adapterOfToken, Adapters);

// The base layer for all tokens at once, then what each token's adapter adds: two launches, however many adapters and slices there are.
using var quantized = device.Fp8.Quantize(activations, QuantizationScheme.Fp8TokenGroup128);
using var output = device.Fp8.Multiply<BFloat16>(quantized, weight);
using DeviceMatrix<float> shrunk = device.Lora.Shrink(activations, shrinks, map, Scaling);
device.Lora.Expand(shrunk, expands, map, output, new LoraExpandOptions { AddInputs = true });
BFloat16[] found = output.ToArray();
Array.ForEach(shrinks, slice => slice.Dispose());
Array.ForEach(expands, slice => slice.Dispose());

Console.WriteLine($"{tokens} tokens, adapters {string.Join(", ", adapterOfToken)} (-1: none), {widths.Length} slices of rank {Rank}");
return Samples.Compare(found, LoraReference.Run(layer, Samples.ToSingle(x), adapterOfToken, Scaling), 5e-3);
