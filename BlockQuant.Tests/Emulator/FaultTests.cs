using BlockQuant.Emulator;
using BlockQuant.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Emulator;

/// <summary>Kernels with one mistake planted in each, with and without the check that slows global memory.</summary>
[TestFixture(false)]
[TestFixture(true)]
public class FaultTests(bool checkUninitialisedGlobalReads) : EmulatorFixture(checkUninitialisedGlobalReads)
{
    private struct Floats
    {
        public ArrayView<float> Source;
        public ArrayView<float> Target;
        public int Offset;
    }

    [Test]
    public void OutOfBoundsReadIsNamed()
    {
        static void ReadPastTheEnd(Floats a)
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            a.Target[i] = a.Source[i + a.Offset];
        }

        Floats arguments = new() { Source = Upload(new float[64]), Target = Allocate<float>(64), Offset = 1 };
        EmulatorFaultException fault = Fault<Floats>(ReadPastTheEnd, (4, 16), arguments);

        fault.FaultKind.Should().Be(FaultKind.OutOfBoundsRead);
        fault.KernelName.Should().Contain("ReadPastTheEnd");
        fault.Thread.Should().Be(new EmulatedThread((3, 0, 0), 15));
        fault.Index.Should().Be(64);
        fault.Length.Should().Be(64);
        fault.Message.Should().Contain("out-of-bounds read").And.Contain("ReadPastTheEnd")
            .And.Contain("group (3, 0, 0), lane 15").And.Contain("index 64 of a view of 64");
    }

    [Test]
    public void NegativeIndexIsOutOfBounds()
    {
        static void ReadBeforeTheStart(Floats a) => a.Target[0] = a.Source[a.Offset];

        Floats arguments = new() { Source = Upload(1f, 2f).SubView(1), Target = Allocate<float>(1), Offset = -1 };
        Fault<Floats>(ReadBeforeTheStart, (1, 1), arguments).Index.Should().Be(-1);
    }

    [Test]
    public void OutOfBoundsWriteIsNamedAndWritesNothing()
    {
        static void WritePastTheEnd(Floats a) => a.Target[Grid.IdxY * 8 + Group.IdxX] = 1;

        ArrayView<float> whole = Upload(new float[32]);
        EmulatorFaultException fault = Fault<Floats>(WritePastTheEnd, (new Index3D(1, 4, 1), 8), new() { Target = whole.SubView(0, 24) });

        fault.FaultKind.Should().Be(FaultKind.OutOfBoundsWrite);
        fault.Thread.Should().Be(new EmulatedThread((0, 3, 0), 0));
        fault.Index.Should().Be(24);
        fault.Message.Should().Contain("out-of-bounds write").And.Contain("index 24 of a view of 24");
        Download(whole)[24..].Should().OnlyContain(element => element == 0);
    }

    [TestCase(1, 1)]
    [TestCase(4, 2)]
    public void OutOfBoundsIsCaughtInSharedMemoryAndInAtomics(int extent, int lane)
    {
        static void WriteShared(Floats a)
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(a.Offset);
            shared[2 * Group.IdxX] = 1;
        }

        static void AddAtomically(Floats a) => ViewAtomics.Add(a.Target, 2 * Group.IdxX, 1f);

        Fault<Floats>(WriteShared, (1, 8), new() { Offset = extent }).Thread!.Value.Lane.Should().Be(lane);
        EmulatorFaultException fault = Fault<Floats>(AddAtomically, (1, 8), new() { Target = Upload(new float[extent]) });
        fault.FaultKind.Should().Be(FaultKind.OutOfBoundsWrite);
        fault.Thread!.Value.Lane.Should().Be(lane);
    }

    [Test]
    public void MisalignedAccessIsNamed()
    {
        static void ReadWords(Bytes a) => a.Source.SubView(a.Offset).Cast<float>()[Group.IdxX] = 0;

        ArrayView<byte> bytes = Upload(new byte[64]);
        Accelerator.Launch("ReadWords", ReadWords, (1, 4), new Bytes { Source = bytes, Offset = 4 });
        EmulatorFaultException fault = Fault<Bytes>(ReadWords, (1, 4), new() { Source = bytes, Offset = 6 });

        fault.FaultKind.Should().Be(FaultKind.MisalignedAccess);
        fault.Index.Should().Be(0);
        fault.Message.Should().Contain("misaligned access").And.Contain("6 bytes into its buffer").And.Contain("aligned to 4");
    }

    private struct Bytes
    {
        public ArrayView<byte> Source;
        public int Offset;
    }

    [Test]
    public void SubViewPastTheEndIsNamed()
    {
        static void Narrow(Floats a) => a.Target.SubView(Group.IdxX, 4)[0] = 0;

        EmulatorFaultException fault = Fault<Floats>(Narrow, (1, 8), new() { Target = Allocate<float>(8) });
        fault.FaultKind.Should().Be(FaultKind.InvalidView);
        fault.Thread!.Value.Lane.Should().Be(5);
    }

    [Test]
    public void ReadOfUninitialisedSharedMemoryIsNamed()
    {
        static void ReadAhead(Floats a)
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(8);
            shared[Group.IdxX] = 1;
            Group.Barrier();
            a.Target[Grid.IdxX * 4 + Group.IdxX] = shared[Group.IdxX == 2 ? 2 + a.Offset : 0];
        }

        Accelerator.Launch("ReadAhead", ReadAhead, (8, 4), new Floats { Target = Allocate<float>(32), Offset = 0 });
        EmulatorFaultException fault = Fault<Floats>(ReadAhead, (1, 4), new() { Target = Allocate<float>(4), Offset = 2 });

        fault.FaultKind.Should().Be(FaultKind.UninitialisedSharedRead);
        fault.Index.Should().Be(4);
        fault.Thread!.Value.Lane.Should().Be(2);
        fault.Message.Should().Contain("read of uninitialised shared memory").And.Contain("lane 2");
    }

    [Test]
    public void WhatAnEarlierGroupLeftInSharedMemoryIsUninitialised()
    {
        static void WriteInTheFirstGroup(Floats a)
        {
            ArrayView<byte> shared = SharedMemory.Allocate<byte>(1);
            if (Grid.IdxX == 0)
                shared[0] = 1;
            a.Target[Grid.IdxX] = shared[0];
        }

        EmulatorAccelerator oneThread = new(new EmulatorOptions { MaxThreads = 1 });
        Floats arguments = new() { Target = Allocate<float>(2) };
        Action launch = () => oneThread.Launch("WriteInTheFirstGroup", WriteInTheFirstGroup, (2, 1), arguments);
        launch.Should().Throw<EmulatorFaultException>().Which.Thread.Should().Be(new EmulatedThread((1, 0, 0), 0));
    }

    [Test]
    public void ReadOfUninitialisedGlobalMemoryIsNamed()
    {
        static void Copy(Floats a) => a.Target[Group.IdxX] = a.Source[Group.IdxX];

        Floats arguments = new() { Source = Allocate<float>(4), Target = Allocate<float>(4) };
        Accelerator.CopyFromHost([1f, 2f, 3f], arguments.Source);
        if (!ChecksUninitialisedGlobalReads)
        {
            Accelerator.Launch("Copy", Copy, (1, 4), arguments);
            return;
        }
        EmulatorFaultException fault = Fault<Floats>(Copy, (1, 4), arguments);
        fault.FaultKind.Should().Be(FaultKind.UninitialisedGlobalRead);
        fault.Index.Should().Be(3);
        fault.Message.Should().Contain("read of uninitialised global memory");
    }

    [Test]
    public void AccessToADisposedBufferIsNamed()
    {
        static void Copy(Floats a) => a.Target[0] = a.Source[0];

        MemoryBuffer buffer = Accelerator.Allocate(4);
        Floats arguments = new() { Source = buffer.AsArrayView<float>(0, 1), Target = Allocate<float>(1) };
        buffer.Dispose();
        Fault<Floats>(Copy, (1, 1), arguments).FaultKind.Should().Be(FaultKind.DisposedBuffer);
        arguments.Source.IsValid.Should().BeFalse();
    }

    [Test]
    public void AccessToADevicesMemoryIsNamed()
    {
        static void Copy(Floats a) => a.Target[0] = a.Source[0];

        using DeviceBuffer buffer = new();
        Floats arguments = new() { Source = buffer.AsArrayView<float>(0, 1), Target = Allocate<float>(1) };
        Fault<Floats>(Copy, (1, 1), arguments).FaultKind.Should().Be(FaultKind.DeviceMemoryAccess);
        arguments.Source.SubView(1).LoadEffectiveAddressAsPtr().Should().Be((nint)0x1004);
    }

    private sealed class DeviceBuffer() : MemoryBuffer(0x1000, 4, isHostAccessible: false)
    {
        protected override void DisposeBuffer()
        {
        }
    }

    [Test]
    public void ExceptionInAKernelKeepsItsCause()
    {
        static void Divide(Floats a) => a.Target[0] = 1 / a.Offset;

        EmulatorFaultException fault = Fault<Floats>(Divide, (1, 1), new() { Target = Allocate<float>(1) });
        fault.FaultKind.Should().Be(FaultKind.KernelException);
        fault.InnerException.Should().BeOfType<DivideByZeroException>();
    }

    [Test]
    public void AcceleratorGoesOnAfterAFault()
    {
        static void FailInOneGroup(Floats a)
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(32);
            shared[Group.IdxX] = Grid.IdxX;
            Group.Barrier();
            a.Target[Grid.IdxX * 32 + Group.IdxX + a.Offset] = shared[31 - Group.IdxX];
        }

        Floats arguments = new() { Target = Allocate<float>(64 * 32), Offset = 5 };
        for (int round = 0; round < 20; round++)
            Fault<Floats>(FailInOneGroup, (64, 32), arguments).Thread!.Value.Group.Should().Be(new Index3D(63, 0, 0));
        Accelerator.Launch("FailInOneGroup", FailInOneGroup, (64, 32), arguments with { Offset = 0 });
        Download(arguments.Target).Should().Equal(Enumerable.Range(0, 64 * 32).Select(i => (float)(i / 32)));
    }
}
