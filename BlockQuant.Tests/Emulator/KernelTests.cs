using BlockQuant.Emulator;
using BlockQuant.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Emulator;

/// <summary>Kernels without a mistake give what they must.</summary>
public class KernelTests : EmulatorFixture
{
    private struct Matrix
    {
        public ArrayView<int> Source;
        public ArrayView<int> Target;
        public int Rows;
        public int Columns;
    }

    [TestCase(64, 64)]
    [TestCase(37, 101)]
    public void TiledTranspose(int rows, int columns)
    {
        static void Transpose(Matrix a)
        {
            const int Tile = 16;
            ArrayView<int> tile = SharedMemory.Allocate<int>(Tile * Tile);
            int lane = Group.IdxX;
            for (int i = lane; i < Tile * Tile; i += Group.DimX)
            {
                int row = Grid.IdxY * Tile + i / Tile;
                int column = Grid.IdxX * Tile + i % Tile;
                if (row < a.Rows && column < a.Columns)
                    tile[i] = a.Source[(long)row * a.Columns + column];
            }
            Group.Barrier();
            for (int i = lane; i < Tile * Tile; i += Group.DimX)
            {
                int row = Grid.IdxY * Tile + i % Tile;
                int column = Grid.IdxX * Tile + i / Tile;
                if (row < a.Rows && column < a.Columns)
                    a.Target[(long)column * a.Rows + row] = tile[i % Tile * Tile + i / Tile];
            }
        }

        int[] source = Enumerable.Range(0, rows * columns).ToArray();
        Matrix arguments = new() { Source = Upload(source), Target = Allocate<int>(source.Length), Rows = rows, Columns = columns };
        Index3D grid = ((columns + 15) / 16, (rows + 15) / 16, 1);
        Accelerator.Launch("Transpose", Transpose, (grid, 32), arguments);
        Download(arguments.Target).Should().Equal(Enumerable.Range(0, source.Length).Select(i => source[i % rows * columns + i / rows]));
    }

    [TestCase(1)]
    [TestCase(64)]
    [TestCase(1024)]
    public void TreeReduction(int lanes)
    {
        static void Sum(Matrix a)
        {
            ArrayView<int> partial = SharedMemory.Allocate<int>(1024);
            int lane = Group.IdxX;
            partial[lane] = a.Source[Grid.IdxX * Group.DimX + lane];
            Group.Barrier();
            for (int reach = Group.DimX / 2; reach > 0; reach /= 2)
            {
                if (lane < reach)
                    partial[lane] += partial[lane + reach];
                Group.Barrier();
            }
            if (lane == 0)
                a.Target[Grid.IdxX] = partial[0];
        }

        int[] source = Enumerable.Range(0, 5 * lanes).ToArray();
        Matrix arguments = new() { Source = Upload(source), Target = Allocate<int>(5) };
        Accelerator.Launch("Sum", Sum, (5, lanes), arguments);
        Download(arguments.Target).Should().Equal(source.Chunk(lanes).Select(chunk => chunk.Sum()));
    }

    [Test]
    public void DynamicSharedMemoryIsWhatTheLaunchAsksFor()
    {
        static void Reverse(Matrix a)
        {
            ArrayView<int> shared = SharedMemory.GetDynamic<int>();
            shared[Group.IdxX] = Group.IdxX;
            Group.Barrier();
            a.Target[Group.IdxX] = shared[shared.IntLength - 1 - Group.IdxX];
        }

        ArrayView<int> target = Allocate<int>(24);
        Accelerator.Launch("Reverse", Reverse, (1, 24, SharedMemoryConfig.RequestDynamic<int>(24)), new Matrix { Target = target });
        Download(target).Should().Equal(Enumerable.Range(0, 24).Reverse());
    }

    [Test]
    public void GridIndicesReachEveryGroupOnce()
    {
        static void Mark(Matrix a)
        {
            int group = (Grid.IdxZ * Grid.DimY + Grid.IdxY) * Grid.DimX + Grid.IdxX;
            a.Target[group * Group.DimX + Group.IdxX] += 1;
        }

        ArrayView<int> target = Upload(new int[2 * 3 * 5 * 4]);
        Accelerator.Launch("Mark", Mark, (new Index3D(2, 3, 5), 4), new Matrix { Target = target });
        Download(target).Should().OnlyContain(count => count == 1);
    }

    [Test]
    public void AtomicsReturnTheOldValueAndLoseNothing()
    {
        static void Update(Atomics a)
        {
            ViewAtomics.Add(a.Floats, 0, 1f);
            ViewAtomics.Add(a.Unsigned, 0, uint.MaxValue);
            int ticket = ViewAtomics.Add(a.Signed, 0, 1);
            a.Signed[3 + ticket] = 1;
            ViewAtomics.Max(a.Signed, 1, ticket);
            ViewAtomics.Exchange(a.Signed, 2, 5);
        }

        Atomics arguments = new() { Floats = Upload(0f), Unsigned = Upload(1000u), Signed = Upload(new int[1003]) };
        Accelerator.Launch("Update", Update, (100, 10), arguments);
        Download(arguments.Floats).Should().Equal(1000f);
        Download(arguments.Unsigned).Should().Equal(0u);
        int[] signed = Download(arguments.Signed);
        signed[..3].Should().Equal(1000, 999, 5);
        signed[3..].Should().OnlyContain(mark => mark == 1);
    }

    private struct Atomics
    {
        public ArrayView<float> Floats;
        public ArrayView<uint> Unsigned;
        public ArrayView<int> Signed;
    }

    [Test]
    public void BufferOfMoreThan2To31ElementsIsIndexedIn64Bits()
    {
        static void WriteEnds(Sparse a)
        {
            a.Target[Group.IdxX == 0 ? 0 : a.Target.Length - 1] = (byte)(Group.IdxX + 1);
            a.Target.SubView((1L << 31) + 5)[Group.IdxX] = 9;
        }

        EmulatorAccelerator lenient = new();
        long length = (1L << 31) + 16;
        using MemoryBuffer buffer = lenient.Allocate(length);
        Sparse arguments = new() { Target = buffer.AsArrayView<byte>(0, length) };
        lenient.Launch("WriteEnds", WriteEnds, (1, 2), arguments);

        byte[] end = new byte[16];
        lenient.CopyToHost(arguments.Target.SubView(1L << 31), end);
        end.Should().Equal(0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 2);
        arguments.Target[0].Should().Be(1);
        arguments.Target.Invoking(view => view[length]).Should().Throw<EmulatorFaultException>();
        arguments.Target.Invoking(view => view.IntLength).Should().Throw<OverflowException>();
    }

    private struct Sparse
    {
        public ArrayView<byte> Target;
    }

    [Test]
    public void LaunchesFromSeveralThreadsDoNotDisturbEachOther()
    {
        static void Rotate(Matrix a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(32);
            int value = Group.IdxX;
            for (int i = 0; i < a.Rows; i++)
            {
                shared[Group.IdxX] = value;
                Group.Barrier();
                value = shared[(Group.IdxX + 1) % 32];
                Group.Barrier();
            }
            a.Target[Group.IdxX] = value;
        }

        ArrayView<int>[] targets = Enumerable.Range(0, 6).Select(_ => Allocate<int>(32)).ToArray();
        Parallel.For(0, targets.Length, i => Accelerator.Launch("Rotate", Rotate, (1, 32), new Matrix { Target = targets[i], Rows = i }));
        for (int i = 0; i < targets.Length; i++)
            Download(targets[i]).Should().Equal(Enumerable.Range(0, 32).Select(lane => (lane + i) % 32));
    }

    [Test]
    public void MemoryLimitIsKept()
    {
        EmulatorAccelerator small = new(new EmulatorOptions { MemoryLimit = 100 });
        MemoryBuffer buffer = small.Allocate(60);
        small.Invoking(accelerator => accelerator.Allocate(50)).Should().Throw<EmulatorOutOfMemoryException>()
            .Which.Should().Match<EmulatorOutOfMemoryException>(e => e.RequestedBytes == 50 && e.AvailableBytes == 40);
        buffer.Dispose();
        buffer.Dispose();
        small.AllocatedBytes.Should().Be(0);
        small.Allocate(100).Dispose();
        Accelerator.Invoking(accelerator => accelerator.Allocate(long.MaxValue / 2)).Should().Throw<EmulatorOutOfMemoryException>();
        Accelerator.AllocatedBytes.Should().Be(0);
    }

    [Test]
    public void ImpossibleLaunchesAreRefused()
    {
        static void Nothing(Matrix a)
        {
        }

        void Refused(KernelConfig config, string parameter, int clusterSize = 1) =>
            Assert.Throws<ArgumentException>(() => Accelerator.Launch<Matrix>("Nothing", Nothing, config, default, clusterSize))!
                .ParamName.Should().Be(parameter);

        Refused((0, 1), "config");
        Refused((new Index3D(1, 65536, 1), 1), "config");
        Refused((1, 1025), "config");
        Refused((1, 1, SharedMemoryConfig.RequestDynamic<byte>(227 * 1024 + 1)), "config");
        Refused((3, 1), "clusterSize", clusterSize: 2);
    }

    [Test]
    public void SharedMemoryHasTheLimitsOfAGpu()
    {
        static void Take(Matrix a)
        {
            SharedMemory.Allocate<byte>(a.Rows);
            SharedMemory.Allocate<byte>(16);
        }

        static void TakeUnevenly(Matrix a) => SharedMemory.Allocate<int>(1 + Group.IdxX / 2);

        Accelerator.Launch("Take", Take, (1, 2), new Matrix { Rows = 48 * 1024 - 16 });
        Fault<Matrix>(Take, (1, 2), new() { Rows = 48 * 1024 - 15 }).FaultKind.Should().Be(FaultKind.SharedMemoryExhausted);
        EmulatorFaultException fault = Fault<Matrix>(TakeUnevenly, (1, 4), default);
        fault.FaultKind.Should().Be(FaultKind.SharedAllocationMismatch);
        fault.Thread!.Value.Lane.Should().Be(2);
    }
}
