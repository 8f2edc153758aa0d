using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace BlockQuant.Tests.Api;

/// <summary>What an assembly offers to others, as text: one line a type or member, sorted, so that a change is a line in a diff.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static string Of(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(ApiNames.Of, StringComparer.Ordinal))
        {
            text.Append(Head(type)).Append('\n');
            foreach (string member in Members(type).Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Head(Type type)
    {
        string kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => type.IsDefined(typeof(IsReadOnlyAttribute)) ? "readonly struct" : "struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            { IsSealed: true } => "sealed class",
            _ => "class",
        };
        IEnumerable<Type> inherited = type.IsEnum ? [] : type.GetInterfaces().Where(one => one.IsPublic);
        IEnumerable<string> bases = inherited.Select(ApiNames.Of).Order(StringComparer.Ordinal);
        if (type.BaseType is { } parent && parent != typeof(object) && !type.IsValueType)
        {
            bases = bases.Prepend(ApiNames.Of(parent));
        }

        string list = string.Join(", ", bases);
        return $"{kind} {ApiNames.Of(type)}{(list.Length > 0 ? " : " + list : list)}{ApiNames.Constraints(type.GetGenericArguments())}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        foreach (FieldInfo field in type.GetFields(Declared).Where(field => IsVisible(field.Attributes) && !field.IsSpecialName))
        {
            string value = field.IsLiteral ? " = " + ApiNames.Value(field.GetRawConstantValue(), type) : string.Empty;
            string kind = field.IsLiteral ? "const " : (field.IsStatic ? "static " : string.Empty) + (field.IsInitOnly ? "readonly " : string.Empty);
            yield return type.IsEnum ? field.Name + value : $"{kind}{ApiNames.Of(field.FieldType)} {field.Name}{value}";
        }

        foreach (ConstructorInfo constructor in type.GetConstructors(Declared).Where(IsVisible))
        {
            yield return $"{Access(constructor)}new({ApiNames.Parameters(constructor)})";
        }

        foreach (PropertyInfo property in type.GetProperties(Declared))
        {
            if (Array.FindAll(property.GetAccessors(nonPublic: true), IsVisible) is not [var first, ..] accessors)
            {
                continue;
            }

            string index = property.GetIndexParameters().Length > 0 ? $"[{ApiNames.Parameters(property.GetIndexParameters())}]" : string.Empty;
            string access = string.Concat(accessors.Select(one => Verb(property, one)));
            yield return $"{Access(first)}{Modifier(first)}{ApiNames.Of(property.PropertyType)} {property.Name}{index} {{ {access}}}";
        }

        foreach (MethodInfo method in type.GetMethods(Declared).Where(method => IsVisible(method) && IsWritten(method)))
        {
            Type[] generic = method.GetGenericArguments();
            string arguments = generic.Length > 0 ? $"<{string.Join(", ", generic.Select(one => one.Name))}>" : string.Empty;
            yield return $"{Access(method)}{Modifier(method)}{ApiNames.Of(method.ReturnType)} {method.Name}{arguments}"
                + $"({ApiNames.Parameters(method)}){ApiNames.Constraints(generic)}";
        }
    }

    private static string Verb(PropertyInfo property, MethodInfo accessor) =>
        accessor == property.GetMethod ? "get; "
        : accessor.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? "init; "
        : "set; ";

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool IsVisible(FieldAttributes attributes) =>
        (attributes & FieldAttributes.FieldAccessMask) is FieldAttributes.Public or FieldAttributes.Family or FieldAttributes.FamORAssem;

    /// <summary>Written by a person: neither an accessor, nor what the compiler adds to a record, nor what every object has.</summary>
    private static bool IsWritten(MethodInfo method) =>
        (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal))
        && !method.IsDefined(typeof(CompilerGeneratedAttribute))
        && method.GetBaseDefinition().DeclaringType != typeof(object)
        && method.GetBaseDefinition().DeclaringType != typeof(ValueType);

    private static string Access(MethodBase method) => method.IsPublic ? string.Empty : "protected ";

    private static string Modifier(MethodInfo method) => method switch
    {
        { IsStatic: true } => "static ",
        { DeclaringType.IsInterface: true } => string.Empty,
        { IsAbstract: true } => "abstract ",
        { IsVirtual: true, IsFinal: false } => method.GetBaseDefinition() == method ? "virtual " : "override ",
        _ => string.Empty,
    };
}
