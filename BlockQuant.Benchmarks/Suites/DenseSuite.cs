using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Block-scaled FP8 matmul over the shapes of the peers' table.</summary>
internal static class DenseSuite
{
    private static readonly (int N, int K)[] Shapes =
        [(4096, 7168), (7168, 2048), (2112, 7168), (24576, 1536), (7168, 16384), (4096, 4096)];

    public static void Run(GpuTimer timer, int[] tokens, bool sweep)
    {
        var operands = new RandomOperands();
        foreach (int m in tokens)
        {
            foreach (var (n, k) in Shapes)
            {
                Shape(timer, operands, m, n, k, sweep);
                operands.Free();
            }
        }
    }

    public static void Hold(GpuTimer timer, int m, int n, int k, HopperPlan plan, bool once = false)
    {
        var operands = new RandomOperands();
        int blocks = (k + 127) / 128, blockRows = (n + 127) / 128;
        int copies = (int)Math.Clamp(200_000_000 / ((long)n * k) + 1, 1, 16);
        var weights = Enumerable.Range(0, copies).Select(_ => operands.Codes(12_345_677, (long)n * k, timer.Stream)).ToArray();
        var call = new MatmulCall
        {
            Plan = plan,
            M = m,
            N = n,
            K = k,
            Activations = operands.Codes(0, (long)m * k, timer.Stream),
            ActivationPitch = k,
            ActivationScales = operands.Upload(RandomOperands.Scales((long)m * blocks, 1), timer.Stream),
            ScaleRowStride = 1,
            ScaleBlockStride = m,
            Weights = weights[0],
            WeightPitch = k,
            WeightScales = operands.Upload(RandomOperands.Scales((long)blockRows * blocks, 2), timer.Stream),
            Output = operands.Allocate((long)m * n * 2),
            OutputPitch = n,
            OutputType = OutputType.BFloat16,
            ConstantWeights = true,
        };
        if (once)
        {
            HopperKernels.Current.Matmul(call, timer.Stream);
            Check(cuStreamSynchronize(timer.Stream));
            operands.Free();
            return;
        }
        string smi = "";
        var sampler = new Thread(() =>
        {
            Thread.Sleep(500);
            var start = new System.Diagnostics.ProcessStartInfo("nvidia-smi", "--query-gpu=clocks.sm,power.draw,temperature.gpu --format=csv,noheader") { RedirectStandardOutput = true };
            using var process = System.Diagnostics.Process.Start(start)!;
            smi = process.StandardOutput.ReadToEnd().Trim();
        });
        sampler.Start();
        double sustained = timer.Sustained(
            turn =>
            {
                var rotated = call with { Weights = weights[turn % copies] };
                HopperKernels.Current.Matmul(rotated, timer.Stream);
            },
            20, 500);
        sampler.Join();
        double clock = double.Parse(smi.Split(' ')[0]);
        double cycles = sustained * clock, tiles = (m + plan.TileM - 1) / plan.TileM * ((n + plan.TileN - 1) / plan.TileN);
        double perBlock = cycles / (Math.Ceiling(tiles / 132) * blocks);
        Console.WriteLine($"HOLD M{m} N{n} K{k} {plan.TileM}x{plan.TileN} s{plan.SplitK} g{plan.GroupM}: {sustained:F1} us {2e-6 * m * n * k / sustained:F0} TF; {smi}; {cycles:F0} cycles, {perBlock:F0} a block of K a wave, tensor {2.0 * m * n * k / (8192 * 132 * cycles) * 100:F1} %");
        operands.Free();
    }

    public static IEnumerable<HopperPlan> Candidates(int m, int n, int k)
    {
        int blocks = (k + 127) / 128;
        if (m > 64)
        {
            foreach (int tileN in new[] { 128, 144, 160, 192, 256 })
                yield return new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 16);
            if (m >= 1024)
                yield return new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 8);
        }
        if (m < 1024)
        {
            foreach (int tile in new[] { 8, 16, 32, 64, 128 })
            {
                if ((tile >= m || tile >= 64) && (tile < 2 * m || tile == 8))
                {
                    for (int split = 1; split <= Math.Min(8, blocks); split *= 2)
                    {
                        int grid = (m + tile - 1) / tile * ((n + 127) / 128) * split;
                        if (split == 1 || grid <= 400)
                            yield return new HopperPlan(HopperKernelKind.Decode, tile, 128, split, 1);
                    }
                }
            }
        }
    }

    private static void Shape(GpuTimer timer, RandomOperands operands, int m, int n, int k, bool sweep)
    {
        int blocks = (k + 127) / 128, blockRows = (n + 127) / 128;
        const long weightOffset = 12_345_677;
        var activations = operands.Codes(0, (long)m * k, timer.Stream);
        int copies = (int)Math.Clamp(200_000_000 / ((long)n * k) + 1, 1, 16);
        var weights = Enumerable.Range(0, copies).Select(_ => operands.Codes(weightOffset, (long)n * k, timer.Stream)).ToArray();
        float[] rowScales = RandomOperands.Scales((long)m * blocks, 1), weightScales = RandomOperands.Scales((long)blockRows * blocks, 2);
        var deviceRowScales = operands.Upload(rowScales, timer.Stream);
        var deviceWeightScales = operands.Upload(weightScales, timer.Stream);
        var output = operands.Allocate((long)m * n * 2);

        var random = new Random(3);
        var samples = Enumerable.Range(0, 300).Select(i =>
        {
            int row = i % 2 == 0 ? random.Next(m) : m - 1 - random.Next(Math.Min(m, 9)), column = i < 16 ? n - 1 - i : random.Next(n);
            double sum = 0;
            for (int index = 0; index < k; index++)
            {
                sum += (double)RandomOperands.Value(operands.At((long)row * k + index)) * rowScales[index / 128 * (long)m + row]
                    * RandomOperands.Value(operands.At(weightOffset + (long)column * k + index)) * weightScales[column / 128 * blocks + index / 128];
            }
            return (Index: (long)row * n + column, Expected: sum);
        }).ToArray();

        foreach (var plan in Candidates(m, n, k))
        {
            var call = new MatmulCall
            {
                Plan = plan,
                M = m,
                N = n,
                K = k,
                Activations = activations,
                ActivationPitch = k,
                ActivationScales = deviceRowScales,
                ScaleRowStride = 1,
                ScaleBlockStride = m,
                Weights = weights[0],
                WeightPitch = k,
                WeightScales = deviceWeightScales,
                Output = output,
                OutputPitch = n,
                OutputType = OutputType.BFloat16,
                ConstantWeights = true,
            };
            var kernels = HopperKernels.Current;
            try
            {
                kernels.Load(HopperKernel.IndexOf(plan));
            }
            catch (Exception error) when (error is InvalidOperationException or CudaException)
            {
                continue;
            }
            void Launch(int turn)
            {
                var rotated = call with { Weights = weights[turn % copies] };
                kernels.Matmul(rotated, timer.Stream);
            }
            Check(cuMemsetD8Async(output, 0xff, (nuint)((long)m * n * 2), timer.Stream));
            Launch(0);
            Check(cuStreamSynchronize(timer.Stream));
            ushort[] first = RandomOperands.Download<ushort>(output, (long)m * n, timer.Stream);
            long unwritten = 0;
            foreach (ushort bits in first)
                unwritten += (bits & 0x7fff) > 0x7f80 ? 1 : 0;
            double error2 = 0, norm2 = 0;
            foreach (var (index, expected) in samples)
            {
                double got = BitConverter.UInt32BitsToSingle((uint)first[index] << 16);
                error2 += (got - expected) * (got - expected);
                norm2 += expected * expected;
            }
            Launch(0);
            ushort[] second = RandomOperands.Download<ushort>(output, (long)m * n, timer.Stream);
            bool same = first.AsSpan().SequenceEqual(second);
            double spaced = timer.Spaced(Launch);
            double sustained = timer.Sustained(Launch, Math.Max(copies, spaced < 100 ? 20 : 4), sweep ? 40 : 150);
            double operations = 2e-6 * m * n * k, bytes = 1e-3 * ((double)n * k + (double)m * k + 2.0 * m * n);
            Console.WriteLine(
                $"M{m} N{n} K{k} {plan.Kind} {plan.TileM}x{plan.TileN} s{plan.SplitK} g{plan.GroupM}: err {Math.Sqrt(error2 / norm2):E2} nan {unwritten} same {same} "
                + $"spaced {spaced:F1} us {operations / spaced:F0} TF {bytes / spaced:F0} GB/s; sustained {sustained:F1} us {operations / sustained:F0} TF {bytes / sustained:F0} GB/s");
        }
    }
}
