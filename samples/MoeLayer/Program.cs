using BlockQuant;
using BlockQuant.Samples;

// One mixture-of-experts layer of a transformer: router -> grouped gate and up -> SiLU(gate) * up -> grouped down -> combine.
const int Tokens = 24;
const int Hidden = 256;
const int Intermediate = 128;
const int Experts = 8;
const int TopK = 2;

var random = new Random(20261121);
BFloat16[] x = Samples.ToBFloat16(Samples.Normal(random, Tokens * Hidden));
float[] routerWeight = Samples.Normal(random, Experts * Hidden, 1 / Math.Sqrt(Hidden));
QuantizedMatrix[] gateUpWeights = ExpertLayers.Random(random, Experts, 2 * Intermediate, Hidden);
QuantizedMatrix[] downWeights = ExpertLayers.Random(random, Experts, Hidden, Intermediate);
(int[] expertIds, float[] expertShares) = Router.Choose(Samples.ToSingle(x), routerWeight, Tokens, Experts, TopK);

using ComputeDevice device = ComputeDevice.CreateDefault();
Console.WriteLine($"device: {device}");
using var gateUp = ExpertLayers.Upload(device, gateUpWeights);
using var down = ExpertLayers.Upload(device, downWeights);
using var activations = device.Upload<BFloat16>(x, Tokens, Hidden);
using var shares = device.Upload<float>(expertShares, Tokens, TopK);

// Rows in the order of their experts; the offsets of each expert's rows are on the host for the checks of the grouped products.
using ExpertRoutingTable routing = device.Routing.Route(expertIds, TopK, Experts);
int[] indptr = routing.Indptr.ToArray();
using var rows = device.Routing.Gather(activations, routing);
using var gateUpRows = device.Fp8.MultiplyGrouped(rows, gateUp, indptr);

// The library has no SiLU * mul: it is the model's own. samples/CustomAccelerator does it in a kernel of its own, here the host does.
float[] activated = Activation.SiluMul(Samples.ToSingle(gateUpRows.ToArray()), Intermediate);
using var intermediate = device.Upload<BFloat16>(Samples.ToBFloat16(activated), Tokens * TopK, Intermediate);
using var downRows = device.Fp8.MultiplyGrouped(intermediate, down, indptr);
using var output = device.Routing.Combine(downRows, shares, routing);

Console.WriteLine($"[{Tokens}, {Hidden}] through {TopK} of {Experts} experts each; rows an expert: {string.Join(", ", routing.Counts.ToArray())}");
double[] expected = MoeReference.Run(Samples.ToSingle(x), expertIds, expertShares, gateUpWeights, downWeights, TopK);
return Samples.Compare(output.ToArray(), expected, 5e-3);
