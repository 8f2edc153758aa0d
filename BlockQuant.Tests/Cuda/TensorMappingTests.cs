using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Cuda;

/// <summary>A tensor map is found again by its mapping, so that two maps which differ must not have the same.</summary>
internal sealed class TensorMappingTests
{
    private static readonly TensorMapping[] Mappings =
    [
        TensorMapping.Bytes(4096, 16, 256, 512, 64),
        TensorMapping.Bytes(4112, 16, 256, 512, 64),
        TensorMapping.Bytes(4096, 17, 256, 512, 64),
        TensorMapping.Bytes(4096, 16, 240, 512, 64),
        TensorMapping.Bytes(4096, 16, 256, 528, 64),
        TensorMapping.Bytes(4096, 16, 256, 512, 128),
        TensorMapping.Scales(4096, 16, 256, 512, 64, 4),
        TensorMapping.Scales(4112, 16, 256, 512, 64, 4),
        TensorMapping.Scales(4096, 17, 256, 512, 64, 4),
        TensorMapping.Scales(4096, 16, 240, 512, 64, 4),
        TensorMapping.Scales(4096, 16, 256, 528, 64, 4),
        TensorMapping.Scales(4096, 16, 256, 512, 128, 4),
        TensorMapping.Scales(4096, 16, 256, 512, 64, 128),
        TensorMapping.Output(4096, 16, 256, 256, 64, 128),
        TensorMapping.Output(4112, 16, 256, 256, 64, 128),
        TensorMapping.Output(4096, 17, 256, 256, 64, 128),
        TensorMapping.Output(4096, 16, 240, 256, 64, 128),
        TensorMapping.Output(4096, 16, 256, 264, 64, 128),
        TensorMapping.Output(4096, 16, 256, 256, 128, 128),
        TensorMapping.Output(4096, 16, 256, 256, 64, 64),
    ];

    [Test]
    public void Every_argument_of_a_map_is_in_its_mapping() => Mappings.Should().OnlyHaveUniqueItems();

    [Test]
    public void A_map_is_encoded_anew_when_a_part_of_its_mapping_is_another_and_only_then()
    {
        TensorMapping first = default;
        TensorMapping[] others =
        [
            first with { Address = 1 },
            first with { Rows = 1 },
            first with { Columns = 1 },
            first with { PitchBytes = 1 },
            first with { BoxRows = 1 },
            first with { BoxColumns = 1 },
            first with { Type = 1 },
            first with { Swizzle = 1 },
            first with { Promotion = 1 },
        ];
        TensorMapping[] turns = [.. others.SelectMany(other => (TensorMapping[])[first, other])];
        var encoded = new List<TensorMapping>();
        var cache = new FunctionCache<TensorMapping, int>(1, mapping =>
        {
            encoded.Add(mapping);
            return encoded.Count;
        });

        for (int i = 0; i < turns.Length; i++)
        {
            cache.Result(turns[i]).Should().Be(i + 1);
            cache.Result(turns[i]).Should().Be(i + 1);
        }

        encoded.Should().Equal(turns);
    }

    [Test]
    public void Finding_a_map_and_encoding_it_anew_allocate_nothing()
    {
        var cache = new FunctionCache<TensorMapping, TensorMap>(Mappings.Length, static _ => default);
        FindAll(cache);

        long before = GC.GetAllocatedBytesForCurrentThread();
        FindAll(cache);
        FindAll(cache);
        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);
    }

    [Test]
    public void A_map_that_cannot_be_encoded_is_not_remembered()
    {
        bool broken = true;
        var cache = new FunctionCache<TensorMapping, int>(1, _ => broken ? throw new InvalidOperationException() : 7);
        var find = () => cache.Result(Mappings[0]);

        find.Should().Throw<InvalidOperationException>();
        broken = false;
        find().Should().Be(7);
    }

    private static void FindAll(FunctionCache<TensorMapping, TensorMap> cache)
    {
        foreach (TensorMapping mapping in Mappings)
        {
            cache.Result(mapping);
        }
    }
}
