using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Blocks of a cluster: their ranks, their common barrier, and reading one another's shared memory.</summary>
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
    /// <see cref="Sum"/> of up to four addresses, for one block or an even number; the loads of two blocks for each are on their way at once.
    /// </summary>
    /// <param name="address">The first address.</param>
    /// <param name="step">Bytes from one to the next.</param>
    /// <param name="count">How many there are; the other sums are undefined.</param>
    [IntrinsicImplementation]
    public static partial Acc16 SumOfFour(int address, int step, int count);

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
