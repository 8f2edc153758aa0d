using System.Reflection;
using System.Xml.Linq;

namespace BlockQuant.Tests.Api;

/// <summary>The documentation that users see names nothing that they cannot see.</summary>
public sealed class XmlDocTests
{
    private static readonly Assembly[] Assemblies = [typeof(QuantizationScheme).Assembly, typeof(ComputeDevice).Assembly];

    [TestCaseSource(nameof(Assemblies))]
    public void Public_members_cite_public_types_alone(Assembly assembly)
    {
        string[] cited = [.. XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member")
            .Where(member => IsPublic(assembly, member.Attribute("name")!.Value))
            .SelectMany(member => member.Descendants("see").Concat(member.Descendants("seealso")))
            .Select(see => see.Attribute("cref")?.Value ?? string.Empty)
            .Where(cref => cref.StartsWith("T:BlockQuant", StringComparison.Ordinal))
            .Distinct()];

        cited.Should().NotBeEmpty();
        cited.Where(cref => !Assemblies.Any(other => other.GetType(cref[2..]) is { IsVisible: true })).Should().BeEmpty();
    }

    // By name: an overload that is not public is taken for one that is.
    private static bool IsPublic(Assembly assembly, string id)
    {
        string path = id[2..].Split('(')[0];
        if (id[0] == 'T')
        {
            return assembly.GetType(path) is { IsVisible: true };
        }

        int dot = path.LastIndexOf('.');
        string name = path[(dot + 1)..].Split('`')[0].Replace('#', '.');
        return assembly.GetType(path[..dot]) is { IsVisible: true } type
            && type.GetMember(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static).Length > 0;
    }
}
