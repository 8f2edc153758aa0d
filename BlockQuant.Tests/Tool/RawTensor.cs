using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace BlockQuant.Tests.Tool;

/// <summary>A tensor and its bytes, and files made of such by hand, without the library's own writer.</summary>
internal sealed record RawTensor(string Name, string DType, long[] Shape, byte[] Data)
{
    public static RawTensor Of<T>(string name, string dtype, ReadOnlySpan<T> elements, params long[] shape)
        where T : unmanaged => new(name, dtype, shape, MemoryMarshal.AsBytes(elements).ToArray());

    public static RawTensor RandomBFloat16(string name, Random random, params long[] shape) =>
        Of<BFloat16>(name, "BF16", Array.ConvertAll(RandomData.Normal(random, Count(shape)), value => (BFloat16)value), shape);

    public static RawTensor RandomHalf(string name, Random random, params long[] shape) =>
        Of<Half>(name, "F16", Array.ConvertAll(RandomData.Normal(random, Count(shape)), value => (Half)value), shape);

    public static RawTensor RandomSingle(string name, Random random, params long[] shape) =>
        Of<float>(name, "F32", RandomData.Normal(random, Count(shape)), shape);

    /// <summary>The values, widened.</summary>
    public float[] ToSingle()
    {
        var values = new float[Count(Shape)];
        switch (DType)
        {
            case "BF16":
                BulkConversion.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(Data), values);
                break;
            case "F16":
                BulkConversion.ToSingle(MemoryMarshal.Cast<byte, Half>(Data), values);
                break;
            default:
                MemoryMarshal.Cast<byte, float>(Data).CopyTo(values);
                break;
        }

        return values;
    }

    /// <summary>The bytes of a file with these tensors one after another.</summary>
    public static byte[] File(params RawTensor[] tensors)
    {
        var header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        long offset = 0;
        foreach (RawTensor tensor in tensors)
        {
            header.Append(CultureInfo.InvariantCulture, $",{JsonSerializer.Serialize(tensor.Name)}:{{\"dtype\":\"{tensor.DType}\",\"shape\":[{string.Join(',', tensor.Shape)}]");
            header.Append(CultureInfo.InvariantCulture, $",\"data_offsets\":[{offset},{offset + tensor.Data.Length}]}}");
            offset += tensor.Data.Length;
        }

        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        return [.. BitConverter.GetBytes((long)json.Length), .. json, .. tensors.SelectMany(tensor => tensor.Data)];
    }

    private static int Count(long[] shape) => (int)shape.Aggregate(1L, (product, extent) => product * extent);
}
