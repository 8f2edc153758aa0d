using BlockQuant.Storage;

namespace BlockQuant.QuickStart;

/// <summary>One layer of a checkpoint in DeepSeek's layout, what goes into it, and what should come out if the file says.</summary>
internal sealed record Layer(string Name, QuantizedMatrix Weight, BFloat16[] Activations, int Rows, BFloat16[]? Reference)
{
    private const string ActivationsName = "activations";
    private const string ReferenceName = "reference_output";

    public static Layer Load(string path, string weightName, int randomRows, int seed)
    {
        if (!File.Exists(path))
        {
            throw new InputException($"{path}: no such file.");
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        QuantizedMatrix matrix = QuantizedMatrix.FromSafetensors(file, weightName);
        (long n, long k) = (matrix.Rows, matrix.Columns);

        BFloat16[] activations;
        int rows;
        if (file.TryGet(ActivationsName, out _))
        {
            TensorInfo found = Find(file, ActivationsName, SafetensorsDType.BFloat16);
            if (found.Shape.Length != 2 || found.Shape[1] != k)
            {
                throw new InputException($"{ActivationsName}: shape {Text(found.Shape)}; expected [M, {k}], the K of {weightName}.");
            }

            rows = checked((int)found.Shape[0]);
            activations = file.Read<BFloat16>(ActivationsName);
            Console.WriteLine($"activations: [{rows}, {k}] from the file");
        }
        else
        {
            rows = randomRows;
            activations = RandomActivations(rows, k, seed);
            Console.WriteLine($"activations: [{rows}, {k}] random normal, seed {seed}");
        }

        BFloat16[]? reference = null;
        if (file.TryGet(ReferenceName, out _) && file.TryGet(ActivationsName, out _))
        {
            Expect(Find(file, ReferenceName, SafetensorsDType.BFloat16), rows, n);
            reference = file.Read<BFloat16>(ReferenceName);
        }

        return new Layer(weightName, matrix, activations, rows, reference);
    }

    private static BFloat16[] RandomActivations(int rows, long columns, int seed)
    {
        var random = new Random(seed);
        var values = new BFloat16[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            // Box-Muller: activations are closer to normal than to uniform.
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = BFloat16.FromSingle((float)(radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        return values;
    }

    private static TensorInfo Find(SafetensorsFile file, string name, SafetensorsDType dtype)
    {
        if (!file.TryGet(name, out TensorInfo? tensor))
        {
            string present = string.Join(", ", file.Tensors.Take(8).Select(t => t.Name));
            throw new InputException($"{name}: not in the file; expected a {dtype} tensor of that name among {file.Tensors.Count}: {present}.");
        }

        return tensor.DType == dtype ? tensor : throw new InputException($"{name}: dtype {tensor.DType}; expected {dtype}.");
    }

    private static void Expect(TensorInfo tensor, params long[] shape)
    {
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new InputException($"{tensor.Name}: shape {Text(tensor.Shape)}; expected {Text(shape)}.");
        }
    }

    private static string Text(long[] shape) => $"[{string.Join(", ", shape)}]";
}
