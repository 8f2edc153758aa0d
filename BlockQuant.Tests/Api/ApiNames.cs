using System.Globalization;
using System.Reflection;

namespace BlockQuant.Tests.Api;

/// <summary>Types, parameters and values as C# writes them.</summary>
internal static class ApiNames
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(char)] = "char",
        [typeof(sbyte)] = "sbyte",
        [typeof(byte)] = "byte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
    };

    public static string Of(Type type)
    {
        if (type.IsByRef || type.IsPointer)
        {
            return Of(type.GetElementType()!) + (type.IsPointer ? "*" : string.Empty);
        }

        if (type.IsArray)
        {
            return Of(type.GetElementType()!) + "[]";
        }

        if (Nullable.GetUnderlyingType(type) is { } value)
        {
            return Of(value) + "?";
        }

        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        if (Keywords.TryGetValue(type, out string? keyword))
        {
            return keyword;
        }

        // The one type of the public surface that differs between kernel hosts.
        if (type.FullName is "ILGPU.Runtime.Accelerator" or "BlockQuant.Emulator.EmulatorAccelerator")
        {
            return "{Accelerator of the kernel host}";
        }

        string name = type.IsNested ? $"{Of(type.DeclaringType!)}.{type.Name}" : $"{type.Namespace}.{type.Name}";
        string arguments = string.Join(", ", type.GetGenericArguments().Select(Of));
        return arguments.Length > 0 ? $"{name.Split('`')[0]}<{arguments}>" : name;
    }

    public static string Parameters(MethodBase method) => Parameters(method.GetParameters());

    public static string Parameters(ParameterInfo[] parameters) => string.Join(", ", parameters.Select(Parameter));

    public static string Constraints(Type[] generic) => string.Concat(generic.Select(Constraint));

    public static string Value(object? value, Type type) => value switch
    {
        null => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
        string text => $"\"{text}\"",
        bool truth => truth ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    private static string Parameter(ParameterInfo parameter)
    {
        string how = parameter switch
        {
            { IsOut: true } => "out ",
            { IsIn: true } => "in ",
            { ParameterType.IsByRef: true } => "ref ",
            _ when parameter.IsDefined(typeof(ParamArrayAttribute)) => "params ",
            _ => string.Empty,
        };
        string value = parameter.HasDefaultValue ? " = " + Value(parameter.DefaultValue, parameter.ParameterType) : string.Empty;
        return $"{how}{Of(parameter.ParameterType)} {parameter.Name}{value}";
    }

    private static string Constraint(Type parameter)
    {
        GenericParameterAttributes attributes = parameter.GenericParameterAttributes;
        List<string> all = [];
        if (attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
        {
            all.Add("class");
        }

        if (attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint))
        {
            all.Add(parameter.CustomAttributes.Any(one => one.AttributeType.Name == "IsUnmanagedAttribute") ? "unmanaged" : "struct");
        }

        all.AddRange(parameter.GetGenericParameterConstraints().Where(one => one != typeof(ValueType)).Select(Of));
        return all.Count > 0 ? $" where {parameter.Name} : {string.Join(", ", all)}" : string.Empty;
    }
}
