using System.Text;
using BlockQuant.Storage;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Core.Storage;

[TestFixture]
public class SafetensorsProperties
{
    private static readonly SafetensorsDType[] DTypes = [.. Enum.GetValues<SafetensorsDType>().Where(dtype => dtype != SafetensorsDType.Unknown)];

    private static readonly Arbitrary<int> Seeds = Gen.Choose(0, int.MaxValue).ToArbitrary();

    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void WhatIsWrittenIsRead() => Prop.ForAll(Seeds, seed =>
    {
        SafetensorsTensor[] tensors = RandomTensors(new Random(seed));
        SafetensorsWriter.Save(folder.File("random"), tensors, new Dictionary<string, string> { ["seed"] = $"{seed} ✓" });
        using SafetensorsFile file = SafetensorsFile.Open(folder.File("random"));

        return file.Tensors.Count == tensors.Length
            && file.Metadata["seed"] == $"{seed} ✓"
            && tensors.All(tensor => file.TryGet(tensor.Name, out TensorInfo? found)
                && found.DType == tensor.DType
                && found.Shape.AsSpan().SequenceEqual(tensor.Shape)
                && file.AsSpan(tensor.Name).SequenceEqual(tensor.Data.Span));
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(50));

    /// <summary>Anything may happen to a file; it is then read right or refused, and never anything else.</summary>
    [Test]
    public void AMutatedFileIsReadOrRefused()
    {
        int refused = 0;
        Prop.ForAll(Seeds, seed =>
        {
            var random = new Random(seed);
            SafetensorsWriter.Save(folder.File("whole"), RandomTensors(random));
            File.WriteAllBytes(folder.File("mutated"), Mutate(File.ReadAllBytes(folder.File("whole")), random));
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(folder.File("mutated"));
                foreach (TensorInfo tensor in file.Tensors.Where(tensor => tensor.DType != SafetensorsDType.Unknown))
                {
                    file.AsSpan(tensor.Name).ToArray().Should().HaveCount((int)tensor.ByteLength);
                }
            }
            catch (SafetensorsException)
            {
                refused++;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(400));
        refused.Should().BeGreaterThan(100, "most mutations break a header");
    }

    private static SafetensorsTensor[] RandomTensors(Random random)
    {
        var tensors = new SafetensorsTensor[random.Next(1, 6)];
        for (int index = 0; index < tensors.Length; index++)
        {
            SafetensorsDType dtype = DTypes[random.Next(DTypes.Length)];
            long[] shape = [.. Enumerable.Range(0, random.Next(0, 4)).Select(_ => (long)random.Next(0, 6))];
            var data = new byte[shape.Aggregate((long)SafetensorsElement.SizeOf(dtype), (size, extent) => size * extent)];
            random.NextBytes(data);
            tensors[index] = new SafetensorsTensor($"layers.{index}.\"ü\" weight", dtype, shape, data);
        }

        return tensors;
    }

    private static byte[] Mutate(byte[] file, Random random)
    {
        int header = BitConverter.ToInt32(file) + SafetensorsHeader.PrefixLength;
        switch (random.Next(5))
        {
            case 0:
                return file[..random.Next(file.Length)];
            case 1:
                return [.. file, .. new byte[random.Next(1, 9)]];
            case 2:
                file[random.Next(SafetensorsHeader.PrefixLength)] = (byte)random.Next(256);
                return file;
            case 3:
                file[random.Next(SafetensorsHeader.PrefixLength, header)] = (byte)random.Next(256);
                return file;
            default:
                // Swaps one number or bracket of the header for another that is still JSON, more often than not.
                byte[] tokens = Encoding.ASCII.GetBytes("0123456789-,[]{}:\"");
                int[] places = [.. Enumerable.Range(SafetensorsHeader.PrefixLength, header - SafetensorsHeader.PrefixLength).Where(i => tokens.Contains(file[i]))];
                file[places[random.Next(places.Length)]] = tokens[random.Next(tokens.Length)];
                return file;
        }
    }
}
