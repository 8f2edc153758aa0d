using System.Text;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Storage;

/// <summary>Every way a header can be wrong is one clear sentence; each file here is written by hand, byte for byte.</summary>
[TestFixture]
public class SafetensorsHeaderTests
{
    private const string A = """{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""";

    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "truncated: it has * bytes, and tensor 'a' ends at *")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "the file has 1 bytes after tensor 'a', which belong to no tensor")]
    [TestCase("""{}""", 1, "the file has 1 bytes after the header")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "a gap of 4 bytes between the header and tensor 'a'")]
    [TestCase("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "tensor 'b' begins at byte * and overlaps tensor 'a', which ends at *")]
    [TestCase("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "a gap of 1 bytes between tensor 'a' and tensor 'b'")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "malformed: Duplicate property 'a'")]
    [TestCase("""{"a":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}}""", 8, "malformed: Duplicate property 'dtype'")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "tensor 'a' has -2 in its shape; expected integers from 0")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}""", 8, "tensor 'a' has 2.0 in its shape")]
    [TestCase("""{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", 8, "tensor 'a' has \"2\" in its shape")]
    [TestCase("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""", 8, "tensor 'a' has 9223372036854775808 in its shape")]
    [TestCase("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}""", 8, "tensor 'a' F32 [4294967296, 4294967296] is larger than")]
    [TestCase("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "tensor 'a' F32 [3] takes 8 bytes; its type and shape need 12")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "data_offsets [8, 0]; expected [begin, end] with begin ≤ end")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "data_offsets [0]; expected")]
    [TestCase("""{"a":{"dtype":"X","shape":[2],"data_offsets":[0,9223372036854775807]}}""", 8, "data_offsets [0, 9223372036854775807]; expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", 8, "tensor 'a' has a shape that is a JSON Number; expected Array")]
    [TestCase("""{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", 8, "tensor 'a' has a dtype that is a JSON Number; expected String")]
    [TestCase("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "tensor 'a' has no dtype")]
    [TestCase("""{"a":{"dtype":"F32","data_offsets":[0,8]}}""", 8, "tensor 'a' has no shape")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "tensor 'a' has no data_offsets")]
    [TestCase("""{"a":[1,2]}""", 8, "tensor 'a' is described by a JSON Array; expected an object")]
    [TestCase("""[1]""", 0, "the header is a JSON Array; expected an object")]
    [TestCase("""{"a":{"b":{"c":{"d":1}}}}""", 0, "malformed: The maximum configured depth of 3 has been exceeded")]
    [TestCase("""{"a":""", 0, "the header is malformed")]
    [TestCase("", 0, "the header is malformed")]
    [TestCase("""{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "the header holds a string that is not valid Unicode")]
    [TestCase("""{"__metadata__":[]}""", 0, "__metadata__ is a JSON Array; expected an object of strings")]
    [TestCase("""{"__metadata__":{"k":1}}""", 0, "__metadata__ 'k' is a JSON Number; expected a string")]
    public void AMalformedHeaderIsRefused(string json, int dataLength, string sentence)
    {
        byte[] header = Encoding.UTF8.GetBytes(json);

        Opening([.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[dataLength]])
            .Should().Throw<SafetensorsException>().WithMessage($"*.safetensors: *{sentence}*");
    }

    [TestCase(0, "the file has 0 bytes, too few for the length of a header")]
    [TestCase(7, "the file has 7 bytes, too few")]
    public void AFileTooShortForALengthIsRefused(int length, string sentence) =>
        Opening(new byte[length]).Should().Throw<SafetensorsException>().WithMessage($"*{sentence}*");

    [TestCase(1L << 40, "the header claims 1099511627776 bytes; the format allows 100000000")]
    [TestCase(-1L, "the header claims 18446744073709551615 bytes")]
    [TestCase(99_999_999L, "the file is truncated: it has 10 bytes, and its header alone claims 99999999")]
    public void AnAbsurdHeaderLengthIsRefused(long length, string sentence) =>
        Opening([.. BitConverter.GetBytes(length), (byte)'{', (byte)'}']).Should().Throw<SafetensorsException>().WithMessage($"*{sentence}*");

    [Test]
    public void BytesThatAreNotUtf8AreRefused() =>
        Opening([.. BitConverter.GetBytes(9L), .. "{\""u8, 0xFF, 0xFE, .. "\":{}}"u8])
            .Should().Throw<SafetensorsException>();

    [Test]
    public void AnEmptyHeaderAndPaddingAreAccepted()
    {
        using SafetensorsFile file = Opened("{}   ", 0);

        file.Tensors.Should().BeEmpty();
        file.Metadata.Should().BeEmpty();
    }

    [Test]
    public void TensorsComeInTheOrderOfTheirDataWithFieldsOfAnyOtherName()
    {
        using SafetensorsFile file = Opened(
            """{"b":{"dtype":"U8","shape":[4],"data_offsets":[8,12],"note":"x"},"__metadata__":{"k":"v"},"z":{"dtype":"I64","shape":[3,0],"data_offsets":[8,8]},"a":""" + A + "}",
            12);

        file.Tensors.Select(tensor => tensor.Name).Should().Equal("a", "z", "b");
        file.Metadata.Should().Equal(new Dictionary<string, string> { ["k"] = "v" });
        file.Read<long>("z").Should().BeEmpty();
    }

    [Test]
    public void AnUnknownTypeIsListedAndRefusedOnlyWhenRead()
    {
        using SafetensorsFile file = Opened("""{"a":""" + A + ""","b":{"dtype":"F4","shape":[3],"data_offsets":[8,10]}}""", 10);

        file.Get("b").DType.Should().Be(SafetensorsDType.Unknown);
        file.Get("b").ByteLength.Should().Be(2);
        file.Read<float>("a").Should().Equal(0f, 0f);
        Action[] reads = [() => file.Read<byte>("b"), () => file.AsSpan("b"), () => file.AsSpan("b", 0, 1), () => file.CopyTo("b", new byte[1])];
        foreach (Action read in reads)
        {
            read.Should().Throw<SafetensorsException>().WithMessage("*tensor 'b' F4 [3] has an element type this library does not know*");
        }
    }

    private static SafetensorsFile Opened(string json, int dataLength)
    {
        byte[] header = Encoding.UTF8.GetBytes(json);
        return Open([.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[dataLength]]);
    }

    private static Action Opening(byte[] content) => () => Open(content).Dispose();

    private static SafetensorsFile Open(byte[] content)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("hand.safetensors");
        File.WriteAllBytes(path, content);
        return SafetensorsFile.Open(path);
    }
}
