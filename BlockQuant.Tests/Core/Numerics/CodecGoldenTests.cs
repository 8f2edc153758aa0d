using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Numerics;

[TestFixture, Category("Golden")]
public class CodecGoldenTests
{
    [Test]
    public void DecodesEveryCode()
    {
        using SafetensorsFile golden = GoldenFolder.Open("codec");
        float[] expected = golden.Read<float>("e4m3.to_f32");

        float[] decoded = [.. Enumerable.Range(0, 256).Select(Float8Codec.Decode)];

        // NaNs differ in payload between systems, so they are compared as NaN and everything else by its bits.
        decoded.Select(Canonical).Should().Equal(expected.Select(Canonical));
    }

    [TestCase("saturate", OverflowMode.Saturate)]
    [TestCase("torch", OverflowMode.NaN)]
    public void EncodesEveryBFloat16(string kind, OverflowMode overflow)
    {
        using SafetensorsFile golden = GoldenFolder.Open("codec");
        BFloat16[] values = Array.ConvertAll(golden.Read<short>("bf16.bits"), bits => BFloat16.FromBits((ushort)bits));

        byte[] codes = Array.ConvertAll(values, value => Float8E4M3.FromBFloat16(value, overflow).Bits);

        Equal(codes, golden.Read<byte>($"bf16.{kind}"));
    }

    [TestCase("saturate", OverflowMode.Saturate)]
    [TestCase("torch", OverflowMode.NaN)]
    public void EncodesEveryHalf(string kind, OverflowMode overflow)
    {
        using SafetensorsFile golden = GoldenFolder.Open("codec");
        Half[] values = Array.ConvertAll(golden.Read<short>("fp16.bits"), BitConverter.Int16BitsToHalf);

        byte[] codes = Array.ConvertAll(values, value => Float8E4M3.FromHalf(value, overflow).Bits);

        Equal(codes, golden.Read<byte>($"fp16.{kind}"));
    }

    [TestCase("saturate", OverflowMode.Saturate)]
    [TestCase("torch", OverflowMode.NaN)]
    public void EncodesSingle(string kind, OverflowMode overflow)
    {
        using SafetensorsFile golden = GoldenFolder.Open("codec");
        float[] values = Array.ConvertAll(golden.Read<int>("fp32.bits"), BitConverter.Int32BitsToSingle);

        byte[] codes = Array.ConvertAll(values, value => Float8E4M3.FromSingle(value, overflow).Bits);

        Equal(codes, golden.Read<byte>($"fp32.{kind}"));
    }

    private static int Canonical(float value) => BitConverter.SingleToInt32Bits(float.IsNaN(value) ? float.NaN : value);

    private static void Equal(byte[] codes, byte[] expected)
    {
        int index = codes.AsSpan().CommonPrefixLength(expected);
        if (index < expected.Length)
        {
            Assert.Fail($"element {index} is 0x{codes[index]:X2}; the reference system has 0x{expected[index]:X2}");
        }
    }
}
