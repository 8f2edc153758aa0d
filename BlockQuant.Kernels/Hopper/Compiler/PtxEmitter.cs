using System.Reflection;
using System.Text.RegularExpressions;
using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Compiler;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using BlockQuant.Kernels.TensorCores.Lora;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;

namespace BlockQuant.Kernels.Hopper.Compiler;

/// <summary>Writes the PTX of the Hopper intrinsics into ILGPU's output.</summary>
internal static partial class PtxEmitter
{
    private static readonly Type[] IntrinsicClasses =
    [
        typeof(Warpgroup), typeof(Pin), typeof(MBarrier), typeof(Tma), typeof(AsyncCopy), typeof(Shared), typeof(Cluster),
        typeof(DependentLaunch), typeof(Wgmma), typeof(Epilogue), typeof(Packed), typeof(Arithmetic), typeof(LaneGroup), typeof(GeluApproximation),
        typeof(Global), typeof(Int8Wgmma), typeof(QuantizingEpilogue), typeof(TensorCore), typeof(WarpTile), typeof(AsyncTile),
        typeof(GlobalMemory), typeof(Lanes), typeof(SharedSums), typeof(OutputRow), typeof(SliceParameter),
    ];

    /// <summary>Makes the intrinsics known to a context.</summary>
    public static void Register(IntrinsicImplementationManager manager)
    {
        var handler = new PTXIntrinsic(typeof(PtxEmitter), nameof(Emit), IntrinsicImplementationMode.GenerateCode);
        var methods = IntrinsicClasses.SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static));
        foreach (var method in methods.Where(method => method.IsDefined(typeof(IntrinsicImplementationAttribute))))
            manager.RegisterMethod(method, handler);
    }

    /// <summary>ILGPU calls this where a kernel calls an intrinsic.</summary>
    public static void Emit(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        var method = call.Target.Source;
        string[][] arguments = Enumerable.Range(0, call.Nodes.Length).Select(i => Registers(generator, call[i])).ToArray();
        string[] result = call.Type.IsVoidType ? [] : Names(generator.Allocate(call));
        string text = method.GetCustomAttribute<PtxAttribute>() is { } ptx
            ? Substitute(ptx.Text, arguments, result)
            : method.DeclaringType == typeof(TensorCore) ? TensorCorePtx.Write(method.Name, arguments, result)
            : method.DeclaringType == typeof(WarpTile) ? WarpTilePtx.Write(method.Name, arguments, result)
            : ComposedPtx.Write(method.Name, arguments, result);
        foreach (string line in text.Split('\n'))
            generator.Builder.Append('\t').Append(line.Trim()).Append('\n');
    }

    private static string Substitute(string text, string[][] arguments, string[] result) => Placeholder().Replace(text, match =>
    {
        string[] registers = match.Groups[1].Value == "d" ? result : arguments[int.Parse(match.Groups[1].Value)];
        return registers[match.Groups[2].Success ? int.Parse(match.Groups[2].Value) : 0];
    });

    private static string[] Registers(PTXCodeGenerator generator, Value value) =>
        value.Type.IsStructureType ? Names(generator.Load(value)) : [Name(generator.LoadPrimitive(value))];

    private static string[] Names(PTXRegisterAllocator.Register register) => register switch
    {
        PTXRegisterAllocator.CompoundRegister compound => compound.Children.SelectMany(Names).ToArray(),
        _ => [Name(register)],
    };

    private static string Name(PTXRegisterAllocator.Register register) => register switch
    {
        PTXRegisterAllocator.HardwareRegister hardware => "%" + PTXRegisterAllocator.GetStringRepresentation(hardware),
        PTXRegisterAllocator.ConstantRegister constant => constant.Value.RawValue.ToString(),
        _ => throw new NotSupportedException($"Register {register.GetType().Name} as an intrinsic's operand."),
    };

    [GeneratedRegex(@"\$(d|\d)(?:\.(\d+))?")]
    private static partial Regex Placeholder();
}
