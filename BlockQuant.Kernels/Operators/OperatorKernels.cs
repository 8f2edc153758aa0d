using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;

namespace BlockQuant;

/// <summary>
/// Every portable kernel that an operator can launch: the <see cref="Kernel{TArguments}"/> fields of this namespace, a generic class's for all
/// type arguments that its constraints admit. What PTX is generated for, and tests look for.
/// </summary>
internal static class OperatorKernels
{
    private static readonly Type[] Formats = [typeof(Float8Format), typeof(Int8TowardZeroFormat), typeof(Int8NearestFormat)];

    /// <summary>Full-precision elements with the type of their bits.</summary>
    private static readonly (Type Bits, Type Element)[] Elements =
        [(typeof(float), typeof(Float32Element)), (typeof(ushort), typeof(BFloat16Element)), (typeof(ushort), typeof(Float16Element))];

    /// <summary>Elements that are only moved: by their size.</summary>
    private static readonly Type[] MovedBits = [typeof(byte), typeof(ushort), typeof(int)];

    private static readonly (Type Bits, Type Element)[] ElementsAndCodes = [.. Elements, (typeof(byte), typeof(Float8Element))];

    /// <summary>The kernels, each name once, in the order of their names.</summary>
    [RequiresUnreferencedCode("Looks at every type of the assembly.")]
    [RequiresDynamicCode("Makes generic types.")]
    public static IReadOnlyList<Kernel> All() =>
    [
        .. typeof(OperatorKernels).Assembly.GetTypes()
            .Where(type => type.Namespace == nameof(BlockQuant))
            .SelectMany(Fields)
            .Where(field => field.FieldType.IsSubclassOf(typeof(Kernel)))
            .SelectMany(Kernels)
            .DistinctBy(kernel => kernel.Name)
            .OrderBy(kernel => kernel.Name, StringComparer.Ordinal),
    ];

    private static FieldInfo[] Fields([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.NonPublicFields | DynamicallyAccessedMemberTypes.PublicFields)] Type type)
        => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);

    [RequiresUnreferencedCode("Makes generic types.")]
    [RequiresDynamicCode("Makes generic types.")]
    private static IEnumerable<Kernel> Kernels(FieldInfo field)
    {
        Type owner = field.DeclaringType!;
        if (!owner.IsGenericTypeDefinition)
        {
            return [(Kernel)field.GetValue(null)!];
        }

        return TypeArguments(owner.GetGenericArguments())
            .Select(types => owner.MakeGenericType(types).GetField(field.Name, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!)
            .Select(closed => (Kernel)closed.GetValue(null)!);
    }

    [RequiresUnreferencedCode("Makes generic types.")]
    [RequiresDynamicCode("Makes generic types.")]
    private static IEnumerable<Type[]> TypeArguments(Type[] parameters)
    {
        IEnumerable<Dictionary<Type, Type>> bindings = [[]];
        foreach (Type parameter in parameters.Where(parameter => ConstraintOf(parameter) is not null))
        {
            bindings = [.. bindings.SelectMany(bound => Choices(parameter).Select(choice => new Dictionary<Type, Type>(bound.Concat(choice))))];
        }

        foreach (Type bits in parameters.Where(parameter => ConstraintOf(parameter) is null && bindings.Any(bound => !bound.ContainsKey(parameter))))
        {
            bindings = [.. bindings.SelectMany(bound => MovedBits.Select(type => new Dictionary<Type, Type>(bound) { [bits] = type }))];
        }

        return bindings.Where(IsLaunched).Select(bound => Array.ConvertAll(parameters, parameter => bound[parameter]));
    }

    /// <summary>What a type parameter may be, and with it the parameter for its bits.</summary>
    [RequiresUnreferencedCode("Makes generic types.")]
    [RequiresDynamicCode("Makes generic types.")]
    private static IEnumerable<KeyValuePair<Type, Type>[]> Choices(Type parameter)
    {
        Type constraint = ConstraintOf(parameter)!;
        if (constraint == typeof(ICodeFormat))
        {
            return Formats.Select(format => new[] { KeyValuePair.Create(parameter, format) });
        }

        Type bits = constraint.GetGenericArguments()[0];
        IEnumerable<(Type Bits, Type Argument)> arguments = constraint.GetGenericTypeDefinition() == typeof(ILoraSink<>)
            ? [.. Elements.Select(e => (e.Bits, typeof(StoreSink<,>).MakeGenericType(e.Bits, e.Element))), (typeof(float), typeof(AtomicSink))]
            : IsLoraOperand(parameter) ? ElementsAndCodes : Elements;
        return arguments.Select(choice => new[] { KeyValuePair.Create(bits, choice.Bits), KeyValuePair.Create(parameter, choice.Argument) });
    }

    private static Type? ConstraintOf(Type parameter) => parameter.GetGenericParameterConstraints().SingleOrDefault(constraint => constraint.IsInterface);

    private static bool IsLoraOperand(Type parameter) => parameter.Name is "TXElement" or "TWElement";

    /// <summary>LoRA takes operands of one type, float32 with any weights, and anything with FP8 weights.</summary>
    private static bool IsLaunched(Dictionary<Type, Type> bound)
    {
        Type[] operands = [.. bound.Where(pair => IsLoraOperand(pair.Key)).OrderByDescending(pair => pair.Key.Name).Select(pair => pair.Value)];
        return operands.Length == 0 || operands[0] == operands[1] || operands[0] == typeof(Float32Element) || operands[1] == typeof(Float8Element);
    }
}
