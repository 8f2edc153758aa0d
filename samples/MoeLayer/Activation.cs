namespace BlockQuant.Samples;

internal static class Activation
{
    /// <summary>SiLU(gate) × up.</summary>
    /// <param name="gateUp">[rows, 2 · width]: a row's gate, then its up.</param>
    /// <param name="width">Columns of the result.</param>
    /// <returns>[rows, width].</returns>
    public static float[] SiluMul(float[] gateUp, int width)
    {
        var result = new float[gateUp.Length / 2];
        for (int i = 0; i < result.Length; i++)
        {
            int start = i / width * 2 * width + i % width;
            float gate = gateUp[start];
            result[i] = gate / (1 + MathF.Exp(-gate)) * gateUp[start + width];
        }

        return result;
    }
}
