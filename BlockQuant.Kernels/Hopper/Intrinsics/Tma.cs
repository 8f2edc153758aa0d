using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>The copy engine (TMA): boxes of a matrix described by a tensor map, brought to shared memory without registers.</summary>
internal static partial class Tma
{
    /// <summary>The address of the launch's tensor map of the left operand's rows, usually activations.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_a; cvta.param.u64 $d, $d;")]
    public static partial long MapA();

    /// <summary>The address of the launch's tensor map of the right operand's rows, usually weights.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_b; cvta.param.u64 $d, $d;")]
    public static partial long MapB();

    /// <summary>The address of the launch's tensor map of the output; launches that do not write by the copy engine have none.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_c; cvta.param.u64 $d, $d;")]
    public static partial long MapC();

    /// <summary>The address of the launch's tensor map of the activations' scales; only launches whose scales the copy engine brings have one.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_s; cvta.param.u64 $d, $d;")]
    public static partial long MapOfScales();

    /// <summary>Brings a tensor map into the copy engine's cache ahead of its first use, one lane of the warp issuing it.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; elect.sync _|P, 0xffffffff; @P prefetch.tensormap [$0]; }")]
    public static partial void Prefetch(long map);

    /// <summary>
    /// Copies the box whose first element is (<paramref name="row"/>, <paramref name="column"/>) to a 1024-byte aligned shared
    /// address (128-byte, where the map does not swizzle), one lane of the warp issuing it, and takes its bytes off <paramref name="barrier"/>
    /// as they land.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1, {$2, $3}], [$4]; }
        """)]
    public static partial void Load(int target, long map, int column, int row, int barrier);

    /// <summary>As <see cref="Load(int, long, int, int, int)"/>, under a policy of the L2 cache.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b64 policy; mov.b64 policy, $5; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [$0], [$1, {$2, $3}], [$4], policy; }
        """)]
    public static partial void Load(int target, long map, int column, int row, int barrier, long policy);

    /// <summary>
    /// As <see cref="Load(int, long, int, int, int)"/>, to the same addresses of both blocks of a cluster of two, each of whose barriers the bytes
    /// are taken off.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b16 both; mov.u16 both, 3; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [$0], [$1, {$2, $3}], [$4], both; }
        """)]
    public static partial void LoadToBoth(int target, long map, int column, int row, int barrier);

    /// <summary>
    /// Copies 16 bytes from a global to a shared address, both aligned to as many, one lane of the warp issuing it, and takes them off
    /// <paramref name="barrier"/> as they land.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1], 16, [$2]; }
        """)]
    public static partial void Load16(int target, long source, int barrier);

    /// <summary>
    /// Starts to write a box, which the warp's lanes have stored at a 1024-byte aligned shared address, to the place whose first element is
    /// (<paramref name="row"/>, <paramref name="column"/>).
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; fence.proxy.async.shared::cta; bar.warp.sync 0xffffffff; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [$1, {$2, $3}], [$0];
            @P cp.async.bulk.commit_group; }
        """)]
    public static partial void StoreStaged(int source, long map, int column, int row);

    /// <summary><see cref="StoreStaged"/> of two boxes of the same rows.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; fence.proxy.async.shared::cta; bar.warp.sync 0xffffffff; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [$2, {$3, $5}], [$0];
            @P cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [$2, {$4, $5}], [$1];
            @P cp.async.bulk.commit_group; }
        """)]
    public static partial void StoreStagedPair(int source, int nextSource, long map, int column, int nextColumn, int row);

    /// <summary>Waits until the boxes that the warp writes are read from shared memory.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; elect.sync _|P, 0xffffffff; @P cp.async.bulk.wait_group.read 0; bar.warp.sync 0xffffffff; }")]
    public static partial void AwaitReads();
}
