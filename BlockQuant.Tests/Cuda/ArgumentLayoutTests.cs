using System.Reflection;
using System.Text.RegularExpressions;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Tests.Cuda;

/// <summary>
/// Arguments reach compiled kernels where their PTX loads them. The expected layout is found by reflection: C's, with a view as an address and a
/// length.
/// </summary>
internal sealed partial class ArgumentLayoutTests
{
    private readonly ComputeDevice device = ComputeDevice.Create(DeviceKind.Cpu);
    private DeviceBuffer<byte> memory = null!;

    private static IEnumerable<Kernel> Kernels => OperatorKernels.All();

    [OneTimeSetUp]
    public void Allocate() => memory = device.Allocate<byte>(1 << 16);

    [OneTimeTearDown]
    public void Free()
    {
        memory.Dispose();
        device.Dispose();
    }

    [TestCaseSource(nameof(Kernels))]
    public void Arguments_lie_where_the_ptx_loads_them(Kernel kernel)
    {
        Type type = kernel.GetType().GetGenericArguments()[0];
        object arguments = Activator.CreateInstance(type)!;
        var expected = new List<(int Offset, byte[] Bytes)>();
        int length = Fill(ref arguments, 0, expected);
        string ptx = EmbeddedPtx.Read(EmbeddedPtx.EntryOf(kernel.Name));

        byte[] written = (byte[])Call(nameof(Write), type, arguments)!;

        int.Parse(Parameter().Match(ptx).Groups[1].Value).Should().Be(length);
        written.Should().HaveCount(length);
        foreach ((int offset, byte[] bytes) in expected)
        {
            written[offset..(offset + bytes.Length)].Should().Equal(bytes, $"the field at byte {offset} lies there");
        }

        Load().Matches(ptx).Select(load => (Number(load.Groups[2].Value), Number(load.Groups[1].Value) / 8)).Distinct()
            .Should().BeSubsetOf(expected.Select(field => (field.Offset, field.Bytes.Length)));
    }

    /// <summary>Gives every field a value of its own, and says which bytes it must become.</summary>
    private int Fill(ref object structure, int offset, List<(int Offset, byte[] Bytes)> expected)
    {
        int start = offset;
        int alignment = AlignmentOf(structure.GetType());
        foreach (FieldInfo field in FieldsOf(structure.GetType()))
        {
            int own = AlignmentOf(field.FieldType);
            offset = (offset + own - 1) / own * own;
            object value;
            if (field.FieldType == typeof(int))
            {
                value = 1000 + expected.Count;
                expected.Add((offset, BitConverter.GetBytes((int)value)));
                offset += 4;
            }
            else if (field.FieldType == typeof(float))
            {
                value = 0.5f + expected.Count;
                expected.Add((offset, BitConverter.GetBytes((float)value)));
                offset += 4;
            }
            else if (field.FieldType == typeof(long))
            {
                value = (1L << 40) + expected.Count;
                expected.Add((offset, BitConverter.GetBytes((long)value)));
                offset += 8;
            }
            else if (IsView(field.FieldType))
            {
                int place = 256 + expected.Count * 8;
                int elements = 100 + expected.Count;
                value = Call(nameof(View), field.FieldType.GetGenericArguments()[0], memory.View, place, elements)!;
                expected.Add((offset, BitConverter.GetBytes((long)BlockQuant.Devices.ViewMemory.Address(memory.View) + place)));
                expected.Add((offset + 8, BitConverter.GetBytes((long)elements)));
                offset += 16;
            }
            else
            {
                value = Activator.CreateInstance(field.FieldType)!;
                offset = Fill(ref value, offset, expected);
            }

            field.SetValue(structure, value);
        }

        return start + (offset - start + alignment - 1) / alignment * alignment;
    }

    private static int AlignmentOf(Type type)
        => type == typeof(int) || type == typeof(float) ? 4
            : type == typeof(long) || IsView(type) ? 8
            : FieldsOf(type).Max(field => AlignmentOf(field.FieldType));

    private static bool IsView(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ArrayView<>);

    private static IEnumerable<FieldInfo> FieldsOf(Type type)
        => type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken);

    private static object? Call(string method, Type type, params object[] arguments)
        => typeof(ArgumentLayoutTests).GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic)!.MakeGenericMethod(type).Invoke(null, arguments);

    private static byte[] Write<TArguments>(TArguments arguments)
        where TArguments : struct, IKernelArguments
    {
        Span<byte> bytes = new byte[ArgumentBlock.Capacity];
        var block = new ArgumentBlock(bytes);
        block.Add(arguments);
        return bytes[..block.Length].ToArray();
    }

    private static ArrayView<T> View<T>(ArrayView<byte> memory, int place, int elements)
        where T : unmanaged
        => memory.SubView(place, memory.Length - place).Cast<T>().SubView(0, elements);

    private static int Number(string digits) => digits.Length == 0 ? 0 : int.Parse(digits);

    [GeneratedRegex(@"\.param \.align 8 \.b8 \w+\[(\d+)\]")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"ld\.param\.[a-z](\d+)\s+%\w+, \[\w+\+?(\d*)\]")]
    private static partial Regex Load();
}
