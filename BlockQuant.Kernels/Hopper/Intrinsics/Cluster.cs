using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Blocks of a cluster: their ranks, their common barrier, and reading and writing one another's shared memory.</summary>
internal static partial class Cluster
{
    /// <summary>This block's rank in its cluster.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.u32 $d, %cluster_ctarank;")]
    public static partial int Rank();

    /// <summary>Blocks in the cluster.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.u32 $d, %cluster_nctarank;")]
    public static partial int Size();

    /// <summary>Waits for every thread of the cluster; shared memory written before is seen after.</summary>
    [IntrinsicImplementation]
    [Ptx("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;")]
    public static partial void Sync();

    /// <summary>
    /// Waits for every thread of the cluster, before a block may end: its shared memory is read by others until then. Publishes nothing,
    /// so that it does not wait for stores to global memory.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("barrier.cluster.arrive.relaxed; barrier.cluster.wait;")]
    public static partial void Leave();

    /// <summary>
    /// Tells the cluster that this block's barriers are published; every thread does so once, and none waits. Others may push to the block
    /// after their <see cref="AwaitArrivals"/>.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("barrier.cluster.arrive.relaxed;")]
    public static partial void Arrive();

    /// <summary>Waits until every thread of the cluster has come to its <see cref="Arrive"/>, or ended.</summary>
    [IntrinsicImplementation]
    [Ptx("barrier.cluster.wait.acquire;")]
    public static partial void AwaitArrivals();

    /// <summary>
    /// Sends the lane's fields to the shared memory of a block of the cluster, without waiting for them to come (st.async): four by four, 512 bytes
    /// apart, so that a warp's lie one behind another. Their bytes are taken off the barrier there as they land. A block that was launched without a
    /// cluster cannot send, not even to itself.
    /// </summary>
    /// <param name="acc">The fields.</param>
    /// <param name="address">Where they go, as an address of this block; a multiple of 16.</param>
    /// <param name="rank">The block.</param>
    /// <param name="barrier">The barrier, likewise.</param>
    [IntrinsicImplementation]
    public static partial void Push<TAcc>(TAcc acc, int address, int rank, int barrier)
        where TAcc : unmanaged;

    /// <summary>Stores the lane's fields in the block's own shared memory, as <see cref="Push"/> lays them.</summary>
    /// <param name="acc">The fields.</param>
    /// <param name="address">Where they go; a multiple of 16.</param>
    [IntrinsicImplementation]
    public static partial void Keep<TAcc>(TAcc acc, int address)
        where TAcc : unmanaged;

    /// <summary>
    /// The sum of the lane's own fields and of those that all other parts have pushed or kept, in the order of the parts, so that it does not depend on
    /// timing.
    /// </summary>
    /// <param name="acc">The lane's own.</param>
    /// <param name="address">Where those of the first other part lie, as <see cref="Push"/> lays them; the next part's follow behind the warp's.</param>
    /// <param name="part">The lane's own part.</param>
    /// <param name="parts">How many parts there are.</param>
    [IntrinsicImplementation]
    public static partial TAcc SumOfParts<TAcc>(TAcc acc, int address, int part, int parts)
        where TAcc : unmanaged;

    /// <summary>
    /// Four float32 at the same 16-byte aligned shared address of every block of the cluster, added in rank order, so that the sum
    /// does not depend on timing. Two blocks are read at a time, so that their latencies overlap.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, Q; .reg .b32 r, n, a; .reg .f32 t<4>, u<4>, v<4>; mov.u32 n, %cluster_nctarank; mov.u32 r, 0;
            mov.f32 v0, 0f00000000; mov.f32 v1, v0; mov.f32 v2, v0; mov.f32 v3, v0;
            NEXT: mapa.shared::cluster.u32 a, $0, r; ld.shared::cluster.v4.f32 {t0,t1,t2,t3}, [a];
            mov.f32 u0, 0f00000000; mov.f32 u1, u0; mov.f32 u2, u0; mov.f32 u3, u0;
            add.u32 r, r, 1; setp.lt.u32 Q, r, n; @Q mapa.shared::cluster.u32 a, $0, r; @Q ld.shared::cluster.v4.f32 {u0,u1,u2,u3}, [a];
            add.f32 v0, v0, t0; add.f32 v1, v1, t1; add.f32 v2, v2, t2; add.f32 v3, v3, t3;
            add.f32 v0, v0, u0; add.f32 v1, v1, u1; add.f32 v2, v2, u2; add.f32 v3, v3, u3;
            add.u32 r, r, 1; setp.lt.u32 P, r, n; @P bra NEXT;
            mov.f32 $d.0, v0; mov.f32 $d.1, v1; mov.f32 $d.2, v2; mov.f32 $d.3, v3; }
        """)]
    public static partial Acc4 Sum(int address);
}
