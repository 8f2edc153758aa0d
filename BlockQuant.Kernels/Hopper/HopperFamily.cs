namespace BlockQuant.Kernels.Hopper;

/// <summary>Kernels that differ by their tile alone, or by the type of their rows.</summary>
internal enum HopperFamily
{
    Prefill,
    PrefillPairs,
    Decode,
    NarrowDecode,
    FusedDecode,
    NarrowFusedDecode,
    GroupedPrefill,
    GroupedDecode,
    BatchedDecode,
    BatchedQuantize,
    ExpertTiles,
    ExpertPlaces,
    Int8Prefill,
    Int8Quantize,
    Int8Decode,
}
