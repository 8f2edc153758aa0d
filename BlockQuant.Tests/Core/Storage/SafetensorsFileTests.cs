using System.Runtime.InteropServices;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Storage;

[TestFixture]
public class SafetensorsFileTests
{
    private TemporaryFolder folder = null!;

    private string FilePath => folder.File("file.safetensors");

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void EveryElementTypeSurvivesWritingAndReading()
    {
        SafetensorsWriter.Save(
            FilePath,
            [
                SafetensorsTensor.From<bool>("bool", [true, false], 2),
                SafetensorsTensor.From<byte>("u8", [1, 255], 2),
                SafetensorsTensor.From<sbyte>("i8", [-128, 127], 2),
                SafetensorsTensor.From("f8", [Float8E4M3.One, Float8E4M3.MinValue], 2),
                SafetensorsTensor.From<short>("i16", [-2, 3], 2),
                SafetensorsTensor.From<ushort>("u16", [2, 65535], 2),
                SafetensorsTensor.From("f16", [(Half)1.5f, Half.NaN], 2),
                SafetensorsTensor.From("bf16", [(BFloat16)1.5f, BFloat16.MinValue], 2),
                SafetensorsTensor.From("i32", [int.MinValue, 7], 2),
                SafetensorsTensor.From("u32", [uint.MaxValue, 7u], 2),
                SafetensorsTensor.From("f32", [1.25f, float.NegativeInfinity], 2),
                SafetensorsTensor.From("f64", [1.25, double.Epsilon], 2),
                SafetensorsTensor.From("i64", [long.MinValue, 7L], 2),
                SafetensorsTensor.From("u64", [ulong.MaxValue, 7UL], 2),
                new SafetensorsTensor("e5m2", SafetensorsDType.Float8E5M2, [2], new byte[] { 0x3C, 0x7C }),
            ],
            new Dictionary<string, string> { ["format"] = "pt" });

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);

        file.Read<bool>("bool").Should().Equal(true, false);
        file.Read<byte>("u8").Should().Equal(1, 255);
        file.Read<sbyte>("i8").Should().Equal(-128, 127);
        file.Read<Float8E4M3>("f8").Should().Equal(Float8E4M3.One, Float8E4M3.MinValue);
        file.Read<byte>("f8").Should().Equal(0x38, 0xFE);
        file.Read<short>("i16").Should().Equal(-2, 3);
        file.Read<ushort>("u16").Should().Equal(2, 65535);
        file.Read<Half>("f16").Should().Equal((Half)1.5f, Half.NaN);
        file.Read<BFloat16>("bf16").Should().Equal((BFloat16)1.5f, BFloat16.MinValue);
        file.Read<int>("i32").Should().Equal(int.MinValue, 7);
        file.Read<uint>("u32").Should().Equal(uint.MaxValue, 7u);
        file.Read<float>("f32").Should().Equal(1.25f, float.NegativeInfinity);
        file.Read<double>("f64").Should().Equal(1.25, double.Epsilon);
        file.Read<long>("i64").Should().Equal(long.MinValue, 7L);
        file.Read<ulong>("u64").Should().Equal(ulong.MaxValue, 7UL);
        file.Read<byte>("e5m2").Should().Equal(0x3C, 0x7C);
        file.Metadata.Should().Equal(new Dictionary<string, string> { ["format"] = "pt" });
        file.Tensors.Should().OnlyContain(tensor => tensor.Shape.Length == 1 && tensor.Shape[0] == 2);
    }

    [Test]
    public void EveryTensorIsAlignedToItsElements()
    {
        SafetensorsWriter.Save(
            FilePath,
            [SafetensorsTensor.From<byte>("odd", [1, 2, 3], 3), SafetensorsTensor.From("wide", [1.0], 1), SafetensorsTensor.From<short>("short", [5], 1)]);

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);

        file.Tensors.Select(tensor => tensor.Name).Should().Equal("wide", "short", "odd");
        file.Tensors[0].Offset.Should().Match(offset => offset % 64 == 0);
        file.Read<double>("wide").Should().Equal(1.0);
        file.Read<short>("short").Should().Equal(5);
        file.Read<byte>("odd").Should().Equal(1, 2, 3);
    }

    [Test]
    public void TensorsAreWrittenAndReadInPieces()
    {
        int[] elements = [.. Enumerable.Range(0, 1000)];
        using (var writer = new SafetensorsWriter(
            FilePath, [new("a", SafetensorsDType.Int32, 10, 100), new("b", SafetensorsDType.UInt8, 2), new("scalar", SafetensorsDType.Float32)]))
        {
            writer.Write<int>("a", elements.AsSpan(0, 300));
            writer.Write<byte>("b", [1]);
            writer.Write<float>("scalar", [2.5f]);
            writer.Write<int>("a", elements.AsSpan(300));
            writer.Write<byte>("b", [2]);
            File.Exists(FilePath).Should().BeFalse("the file appears when it is whole");
            writer.Complete();
        }

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);
        var piece = new int[10];
        file.CopyTo("a", MemoryMarshal.AsBytes(piece.AsSpan()), 4 * 500);

        piece.Should().Equal(Enumerable.Range(500, 10));
        MemoryMarshal.Cast<byte, int>(file.AsSpan("a", 4 * 999, 4))[0].Should().Be(999);
        file.AsSpan("a").Length.Should().Be(4000);
        file.Read<int>("a").Should().Equal(elements);
        file.Read<byte>("b").Should().Equal(1, 2);
        file.Read<float>("scalar").Should().Equal(2.5f);
        file.Get("a").Shape.Should().Equal(10, 100);
        file.Get("scalar").Shape.Should().BeEmpty();
    }

    [Test]
    public void OfTwoWritersOfAFileTheLastToCompleteWins()
    {
        using var first = new SafetensorsWriter(FilePath, [new("a", SafetensorsDType.Int32, 2)]);
        first.Write<int>("a", [1]);
        using var second = new SafetensorsWriter(FilePath, [new("b", SafetensorsDType.Int32, 3)]);
        second.Write<int>("b", [4]);
        first.Write<int>("a", [2]);
        first.Complete();
        using (SafetensorsFile file = SafetensorsFile.Open(FilePath))
        {
            file.Read<int>("a").Should().Equal(1, 2);
        }

        second.Write<int>("b", [5, 6]);
        second.Complete();
        using SafetensorsFile replaced = SafetensorsFile.Open(FilePath);

        replaced.Read<int>("b").Should().Equal(4, 5, 6);
        Directory.GetFiles(folder.File(".")).Should().ContainSingle();
    }

    [TestCase(-1L, 4)]
    [TestCase(5L, 4)]
    [TestCase(long.MaxValue, 4)]
    [TestCase(0L, 9)]
    public void APieceBeyondTheTensorIsRefused(long offset, int length)
    {
        SafetensorsWriter.Save(FilePath, [SafetensorsTensor.From("a", [1, 2], 2), SafetensorsTensor.From("b", [3, 4], 2)]);
        using SafetensorsFile file = SafetensorsFile.Open(FilePath);

        Action copy = () => file.CopyTo("a", new byte[length], offset);

        copy.Should().Throw<ArgumentOutOfRangeException>();
    }

    [Test]
    public void AnotherElementTypeOrNameIsRefused()
    {
        SafetensorsWriter.Save(FilePath, [SafetensorsTensor.From("a", [1f, 2f], 1, 2)]);
        using SafetensorsFile file = SafetensorsFile.Open(FilePath);

        Action wrongType = () => file.Read<BFloat16>("a");
        Action bytes = () => file.Read<byte>("a");
        Action wrongName = () => file.Read<float>("b");
        Action unsupported = () => file.Read<Guid>("a");

        wrongType.Should().Throw<SafetensorsException>().WithMessage("*tensor 'a' F32 [1, 2] has another element type than the expected BF16.");
        bytes.Should().Throw<SafetensorsException>().WithMessage("*expected U8.");
        wrongName.Should().Throw<SafetensorsException>().WithMessage("*has no tensor 'b'.");
        unsupported.Should().Throw<NotSupportedException>();
        file.TryGet("b", out _).Should().BeFalse();
    }

    [Test]
    public void ADisposedFileRefusesToRead()
    {
        SafetensorsWriter.Save(FilePath, [SafetensorsTensor.From("a", [1f], 1)]);
        SafetensorsFile file = SafetensorsFile.Open(FilePath);
        file.Dispose();
        file.Dispose();

        Action read = () => file.AsSpan("a");

        read.Should().Throw<ObjectDisposedException>();
    }

    [Test]
    public void AMissingFileIsReportedAsSuch()
    {
        Action open = () => SafetensorsFile.Open(folder.File("absent"));

        open.Should().Throw<FileNotFoundException>();
    }

    [Test]
    public void AnIncompleteFileNeverReplacesAnEarlierOne()
    {
        SafetensorsWriter.Save(FilePath, [SafetensorsTensor.From("a", [1f], 1)]);
        using (var writer = new SafetensorsWriter(FilePath, [new("a", SafetensorsDType.Float32, 2)]))
        {
            writer.Write<float>("a", [5f]);
            Action complete = writer.Complete;
            complete.Should().Throw<InvalidOperationException>().WithMessage("tensor 'a' has 4 of its 8 bytes.");
        }

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);
        file.Read<float>("a").Should().Equal(1f);
        Directory.GetFiles(Path.GetDirectoryName(FilePath)!).Should().Equal(FilePath);
    }

    [Test]
    public void TheWriterRefusesWhatWasNotDeclared()
    {
        using var writer = new SafetensorsWriter(FilePath, [new("a", SafetensorsDType.Float32, 2)]);

        Action unknown = () => writer.Write<float>("b", [1f]);
        Action tooLong = () => writer.Write<float>("a", [1f, 2f, 3f]);

        unknown.Should().Throw<ArgumentException>().WithMessage("tensor 'b' was not declared.*");
        tooLong.Should().Throw<ArgumentException>().WithMessage("tensor 'a' has room for 8 more bytes; the piece has 12.*");
    }

    [Test]
    public void TheWriterRefusesDeclarationsThatNoFileCanHold()
    {
        TensorDeclaration sound = new("a", SafetensorsDType.Float32, 2);
        TensorDeclaration[][] unsound =
        [
            [sound, sound],
            [new("__metadata__", SafetensorsDType.Float32, 2)],
            [new("a", SafetensorsDType.Float32, -1)],
            [new("a", SafetensorsDType.Float32, 1L << 62)],
            [new("a", SafetensorsDType.Unknown, 2)],
        ];
        foreach (TensorDeclaration[] declarations in unsound)
        {
            Action create = () => new SafetensorsWriter(FilePath, declarations).Dispose();
            create.Should().Throw<ArgumentException>();
        }

        File.Exists(FilePath).Should().BeFalse();
    }
}
