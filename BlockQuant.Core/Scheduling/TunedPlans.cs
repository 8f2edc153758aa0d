using System.Text.Json;
using System.Text.Json.Serialization;
using BlockQuant.Storage;

namespace BlockQuant.Scheduling;

/// <summary>
/// Plans that were measured to be fastest on one kind of device, for products of exactly the formats and shapes that were measured. Kept in a
/// JSON file that holds the plans of any number of devices.
/// </summary>
/// <remarks>Safe for any number of threads.</remarks>
public sealed class TunedPlans
{
    private readonly Lock writing = new();
    private volatile Dictionary<(ElementFormat Format, long M, long N, long K), TilePlan> plans = [];

    /// <summary>No plans yet.</summary>
    /// <param name="device">The device's name, as <see cref="DeviceTraits.Name"/> has it.</param>
    public TunedPlans(string device)
    {
        ArgumentException.ThrowIfNullOrEmpty(device);
        Device = device;
    }

    /// <summary>The name of the device that the plans were measured on.</summary>
    public string Device { get; }

    /// <summary>Products that have a plan.</summary>
    public int Count => plans.Count;

    /// <summary>Reads the plans of one device. A file that does not exist, or that has none for the device, gives none.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">The device's name.</param>
    /// <exception cref="InvalidDataException">The file is not one of tuned plans, or a plan in it is none that a kernel has.</exception>
    public static TunedPlans Load(string path, string device)
    {
        var tuned = new TunedPlans(device);
        foreach (Entry entry in Read(path).GetValueOrDefault(device) ?? [])
        {
            if (entry is not { M: > 0, N: > 0, K: > 0 } || !IsPossible(entry.Plan, entry.Format, entry.M, entry.K))
            {
                throw new InvalidDataException(
                    $"'{path}': the {entry.Format} plan of [{entry.M}, {entry.N}, {entry.K}] on {device} is none that a kernel has.");
            }

            tuned.plans[(entry.Format, entry.M, entry.N, entry.K)] = entry.Plan;
        }

        return tuned;
    }

    /// <summary>Writes the plans; those that the file has of other devices stay. The file is replaced at once, never half written.</summary>
    /// <remarks>Of several that save to one file at once the last wins; the plans that another adds meanwhile for its device may be lost.</remarks>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">The file exists and is not one of tuned plans.</exception>
    public void Save(string path)
    {
        SortedDictionary<string, Entry[]> devices = Read(path);
        devices[Device] = [.. plans
            .Select(pair => new Entry(pair.Key.M, pair.Key.N, pair.Key.K, pair.Value, pair.Key.Format))
            .OrderBy(entry => entry.Format).ThenBy(entry => entry.N).ThenBy(entry => entry.K).ThenBy(entry => entry.M)];
        string temporary = PartialFile.NameFor(path);
        try
        {
            File.WriteAllText(temporary, JsonSerializer.Serialize(devices, TunedPlansJson.Default.SortedDictionaryStringEntryArray));
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The plan of a product of activations [m, k] and weights [n, k], or null.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="format">What the codes of both operands are.</param>
    public TilePlan? Find(long m, long n, long k, ElementFormat format = ElementFormat.Float8E4M3)
        => plans.TryGetValue((format, m, n, k), out TilePlan plan) ? plan : null;

    /// <summary>Keeps a plan for a product, in place of the one it had.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="format">What the codes of both operands are.</param>
    /// <exception cref="ArgumentException">No kernel of the format has the plan.</exception>
    public void Set(long m, long n, long k, TilePlan plan, ElementFormat format = ElementFormat.Float8E4M3)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(m);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        if (!IsPossible(plan, format, m, k))
        {
            throw new ArgumentException($"tile plan {plan}: no {format} kernel has it.", nameof(plan));
        }

        lock (writing)
        {
            // A new dictionary each time: readers never see one that is being written.
            plans = new(plans) { [(format, m, n, k)] = plan };
        }
    }

    /// <summary>The device can run every plan; otherwise says which not.</summary>
    /// <exception cref="ArgumentException">It cannot run one.</exception>
    internal void Require(DeviceTraits traits)
    {
        foreach (((ElementFormat format, long m, long n, long k), TilePlan plan) in plans)
        {
            if (!TileScheduler.IsPossible(plan, traits.MaxGroupSize, TileScheduler.SharedLimit(traits)))
            {
                throw new ArgumentException($"plans: the {format} plan {plan} of [{m}, {n}, {k}]; expected one that {traits.Name} can run.");
            }
        }
    }

    private static bool IsPossible(TilePlan plan, ElementFormat format, long m, long k)
        => TileScheduler.IsPossible(plan)
            && (plan.Hopper is not { } split || HopperScheduler.CanRun(split, m, k))
            && format switch
            {
                ElementFormat.Float8E4M3 => plan.TensorCores is not { } tensor || DenseTensorScheduler.HasKernel(tensor),
                ElementFormat.Int8 => (plan.Hopper is not { } hopper || Int8Scheduler.HasKernel(hopper)) && plan.TensorCores is null,
                _ => false,
            };

    private static SortedDictionary<string, Entry[]> Read(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), TunedPlansJson.Default.SortedDictionaryStringEntryArray) ?? [];
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"'{path}' is not a file of tuned plans: {error.Message}", error);
        }
    }

    /// <remarks>Files from before there were plans of INT8 say no format.</remarks>
    internal sealed record Entry(long M, long N, long K, TilePlan Plan, ElementFormat Format = ElementFormat.Float8E4M3);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, IgnoreReadOnlyProperties = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(SortedDictionary<string, TunedPlans.Entry[]>))]
internal sealed partial class TunedPlansJson : JsonSerializerContext;
