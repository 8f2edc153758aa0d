using System.Runtime.InteropServices;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>INT8 GELU of token groups that a kernel may treat apart.</summary>
public sealed class Int8GeluTests
{
    private const int Rows = 16;
    private const int Columns = 1024;
    private static readonly ComputeDevice Device = TestDevice.Shared;

    [Test]
    public void Groups_without_a_positive_value_or_with_negative_scales_are_those_of_the_reference([Values] RoundingMode rounding)
    {
        sbyte[] codes = RandomCodes();
        float[] scales = RandomScales();
        for (int group = 0; group < scales.Length; group += 2)
        {
            Span<sbyte> own = codes.AsSpan(group * 128, 128);
            for (int i = 0; i < 128; i++)
            {
                own[i] = (sbyte)-Math.Abs(Math.Max(own[i], (sbyte)-127));
            }

            scales[group] *= group % 4 == 0 ? 0.2f : -1f;
        }

        QuantizedMatrix source = new(MemoryMarshal.AsBytes(codes.AsSpan()).ToArray(), Rows, Columns, scales, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix expected = ReferenceOperators.GeluInt8(source, QuantizationScheme.Int8TokenGroup128, rounding);
        (sbyte[] found, float[] foundScales) = Gelu(codes, scales, rounding);
        for (int group = 0; group < scales.Length; group++)
        {
            foundScales[group].Should().BeApproximately(expected.Scales.Span[group], expected.Scales.Span[group] * 1e-4f);
        }

        Compare.CodesOfResults(found, MemoryMarshal.Cast<byte, sbyte>(expected.Codes.Span).ToArray(), nameof(Gelu));
    }

    [Test]
    public void Groups_that_are_not_finite_have_the_scales_of_the_document([Values] RoundingMode rounding)
    {
        sbyte[] codes = RandomCodes();
        float[] scales = RandomScales();
        codes.AsSpan(0, 4 * 128).Fill(100);
        codes[128] = -5;
        codes[2 * 128] = 0;
        (scales[0], scales[1], scales[2], scales[3]) = (float.PositiveInfinity, float.PositiveInfinity, float.PositiveInfinity, 3e38f);

        (sbyte[] found, float[] foundScales) = Gelu(codes, scales, rounding);

        // The kernel that takes such groups on these devices does not tell infinity from NaN.
        float infinity = Device.Kind == DeviceKind.Cuda && Device.Traits.ComputeCapability >= 89 ? float.NaN : float.PositiveInfinity;
        foundScales[..4].Should().Equal(infinity, float.NaN, float.NaN, infinity);
        found[..(4 * 128)].Should().OnlyContain(code => code == 0);
    }

    [Test]
    public void A_group_depends_on_no_neighbour([Values] RoundingMode rounding)
    {
        float[] strange =
        [
            0f, -0f, -0.02f, -1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e-42f, 1e-9f, 1e-4f, 2e4f, 1e10f, 3e38f, -1e20f,
        ];
        sbyte[] codes = RandomCodes();
        float[] scales = RandomScales();
        (sbyte[] ordinary, float[] ordinaryScales) = Gelu(codes, scales, rounding);
        for (int i = 0; i < strange.Length; i++)
        {
            scales[9 * i] = strange[i];
        }

        // Strange groups beside ordinary ones, and beside their like.
        (sbyte[] beside, float[] besideScales) = Gelu(codes, scales, rounding);
        (sbyte[] alike, float[] alikeScales) = Gelu(codes, Enumerable.Range(0, scales.Length).Select(g => scales[g / 9 * 9]).ToArray(), rounding);
        for (int group = 0; group < scales.Length; group++)
        {
            bool isStrange = group % 9 == 0 && group / 9 < strange.Length;
            (isStrange ? alikeScales : ordinaryScales)[group].Should().Be(besideScales[group], $"group {group} of scale {scales[group]}");
            (isStrange ? alike : ordinary).AsSpan(group * 128, 128).SequenceEqual(beside.AsSpan(group * 128, 128))
                .Should().BeTrue($"group {group} of scale {scales[group]}");
        }
    }

    private static (sbyte[] Codes, float[] Scales) Gelu(sbyte[] codes, float[] scales, RoundingMode rounding)
    {
        using var source = new QuantizedDeviceMatrix<sbyte>(Device, Rows, Columns, QuantizationScheme.Int8TokenGroup128);
        source.Codes.CopyFrom(codes);
        source.Scales.CopyFrom(scales);
        using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Gelu(source, QuantizationScheme.Int8TokenGroup128, rounding);
        return (found.Codes.ToArray(), found.Scales.ToArray());
    }

    private static sbyte[] RandomCodes()
    {
        var codes = new sbyte[Rows * Columns];
        new Random(10).NextBytes(MemoryMarshal.AsBytes(codes.AsSpan()));
        return codes;
    }

    private static float[] RandomScales()
    {
        // Not so large that GELU leaves values as they are: codes would be next to integers, which truncation takes either way.
        var random = new Random(11);
        return Enumerable.Range(0, Rows * Columns / 128).Select(_ => 0.01f + random.NextSingle() / 100).ToArray();
    }
}
