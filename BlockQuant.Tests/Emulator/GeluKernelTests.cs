using System.Runtime.InteropServices;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>The GELU kernel's logic, run by the emulator with the CPU bodies of its intrinsics.</summary>
public sealed class GeluKernelTests : EmulatorFixture
{
    private const int GroupsPerWarp = 8;

    [Test]
    public void Codes_differ_from_the_exact_ones_by_at_most_one_and_seldom([Values] RoundingMode rounding)
    {
        float[] scales = Enumerable.Range(0, 48).Select(g => MathF.Pow(2, g / 2f - 11)).ToArray();
        Check(rounding, RandomCodes(48), scales).Should().BeLessThan(48 * 128 / 50);
    }

    [Test]
    public void Groups_without_a_positive_code_are_as_exact([Values] RoundingMode rounding)
    {
        sbyte[] codes = Array.ConvertAll(RandomCodes(16), code => (sbyte)-Math.Abs(Math.Max(code, (sbyte)-127)));
        codes.AsSpan(0, 128).Fill(-1);
        codes.AsSpan(128, 128).Fill(-100);
        float[] scales = Enumerable.Range(0, 16).Select(g => MathF.Pow(2, g / 2f - 9)).ToArray();
        Check(rounding, codes, scales);
        Check(rounding, codes, Array.ConvertAll(scales, scale => -scale));
    }

    [Test]
    public void Groups_whose_largest_negative_value_is_larger_than_the_positive_one_have_its_magnitude([Values] RoundingMode rounding)
    {
        // The largest magnitude is that of −0.75, 0.17, and every other value is a small positive one.
        sbyte[] codes = Array.ConvertAll(RandomCodes(16), code => (sbyte)(code & 15));
        for (int group = 0; group < 16; group++)
        {
            codes[group * 128 + 8 * group] = -75;
        }

        Check(rounding, codes, Enumerable.Repeat(0.01f, 16).ToArray());
    }

    [Test]
    public void A_group_depends_on_no_neighbour([Values] RoundingMode rounding)
    {
        float[] strange =
        [
            0f, -0f, -0.02f, -1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e-42f, 1e-9f, 1e-4f, 2e4f, 1e10f, 3e38f, -1e20f,
        ];

        // So many that some codes and scales are others the slow way.
        const int count = 56 * GroupsPerWarp;
        var random = new Random(7);
        float[] scales = new float[count];
        for (int group = 0; group < count; group++)
        {
            // One strange group a warp, in another place each.
            int warp = group / GroupsPerWarp;
            scales[group] = group % GroupsPerWarp == warp % GroupsPerWarp ? strange[warp % strange.Length] : 0.01f + random.NextSingle() / 10;
        }

        sbyte[] codes = RandomCodes(count);
        (sbyte[] found, float[] foundScales) = Run(rounding, codes, scales);
        for (int group = 0; group < count; group++)
        {
            (sbyte[] alone, float[] aloneScale) = Run(rounding, codes.AsSpan(group * 128, 128).ToArray(), [scales[group]]);
            foundScales[group].Should().Be(aloneScale[0], $"group {group} of scale {scales[group]}");
            found.AsSpan(group * 128, 128).SequenceEqual(alone).Should().BeTrue($"group {group} of scale {scales[group]}");
        }
    }

    [TestCase(0f)]
    [TestCase(-0f)]
    [TestCase(1e-42f)]
    public void A_group_that_vanishes_has_the_least_scale_and_zero_codes(float scale)
    {
        (sbyte[] codes, float[] scales) = Run(RoundingMode.ReferenceCompatible, RandomCodes(2), [scale, 1f]);
        scales[0].Should().Be(1e-8f);
        codes.Take(128).Should().OnlyContain(code => code == 0);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    [TestCase(3e38f)]
    public void A_group_that_is_not_finite_has_the_scale_nan_and_zero_codes(float scale)
    {
        (sbyte[] codes, float[] scales) = Run(RoundingMode.ReferenceCompatible, Enumerable.Repeat((sbyte)100, 256).ToArray(), [scale, 1f]);
        scales[0].Should().Be(float.NaN);
        codes.Take(128).Should().OnlyContain(code => code == 0);
        codes.Skip(128).Should().OnlyContain(code => code == 127);
    }

    [TestCase(-0.02f)]
    [TestCase(-1f)]
    [TestCase(2e4f)]
    [TestCase(1e8f)]
    [TestCase(1e10f)]
    [TestCase(-1e20f)]
    public void Scales_that_the_fast_way_leaves_out_are_as_exact(float scale)
        => Check(RoundingMode.Nearest, RandomCodes(2), [scale, 0.03f]);

    [TestCase(1)]
    [TestCase(15)]
    [TestCase(17)]
    [TestCase(27)]
    public void Lanes_past_the_end_write_nothing_else(int groups)
    {
        float[] scales = Enumerable.Range(0, groups).Select(g => 0.01f + g * 0.003f).ToArray();
        Check(RoundingMode.ReferenceCompatible, RandomCodes(groups), scales);
    }

    private int Check(RoundingMode rounding, sbyte[] codes, float[] scales)
    {
        (sbyte[] found, float[] foundScales) = Run(rounding, codes, scales);
        int different = 0;
        for (int group = 0; group < scales.Length; group++)
        {
            double[] gelu = codes.Skip(group * 128).Take(128).Select(code => Gelu(code * (double)scales[group])).ToArray();
            double scale = Math.Max(gelu.Max(Math.Abs) / 127, 1e-8);
            foundScales[group].Should().BeApproximately((float)scale, (float)scale * 1e-4f, $"group {group} of scale {scales[group]}");
            for (int i = 0; i < 128; i++)
            {
                double exact = gelu[i] / scale;
                int expected = (int)(rounding == RoundingMode.Nearest ? Math.Round(exact) : Math.Truncate(exact));
                int difference = Math.Abs(found[group * 128 + i] - expected);
                difference.Should().BeLessThan(2, $"group {group} of scale {scales[group]}, code {codes[group * 128 + i]}");
                different += difference;
            }
        }

        different.Should().BeLessThan(1 + codes.Length / 50);
        return different;
    }

    /// <summary>The codes and scales of token groups. What lies behind them stays as it was.</summary>
    private (sbyte[] Codes, float[] Scales) Run(RoundingMode rounding, sbyte[] codes, float[] scales)
    {
        const int behind = 20;
        ArrayView<sbyte> output = Upload(Enumerable.Repeat((sbyte)0x55, codes.Length + behind * 128).ToArray());
        ArrayView<float> outputScales = Upload(Enumerable.Repeat(-5f, scales.Length + behind).ToArray());
        VectorKernel kernel = rounding == RoundingMode.Nearest ? VectorKernel.Gelu<Int8NearestFormat>.Groups : VectorKernel.Gelu<Int8TowardZeroFormat>.Groups;
        var config = new KernelConfig((codes.Length + kernel.ElementsPerGroup - 1) / kernel.ElementsPerGroup, kernel.Lanes);
        Accelerator.Launch(kernel.Name, kernel.Method, config, new VectorArguments
        {
            Source = Upload(MemoryMarshal.Cast<sbyte, Vec4>(codes.AsSpan()).ToArray()),
            SourceScales = Upload(scales),
            Output = output.Cast<Vec4>(),
            OutputScales = outputScales,
            Columns = 128,
            Length = codes.Length,
        });
        sbyte[] found = Download(output);
        float[] foundScales = Download(outputScales);
        found.Skip(codes.Length).Should().OnlyContain(code => code == 0x55);
        foundScales.Skip(scales.Length).Should().OnlyContain(scale => scale == -5f);
        return (found[..codes.Length], foundScales[..scales.Length]);
    }

    private static sbyte[] RandomCodes(int groups)
    {
        var codes = new sbyte[groups * 128];
        new Random(6).NextBytes(MemoryMarshal.AsBytes(codes.AsSpan()));
        return codes;
    }

    private static double Gelu(double x) => x * 0.5 * (1 + ErrorFunction.Erf((float)(x * Math.Sqrt(0.5))));
}
