namespace BlockQuant.Kernels.TensorCores.Lora;

internal partial struct SliceParameter
{
    public static partial long ReadInt64(int offset, int field) => throw new NotSupportedException();

    public static partial int ReadInt32(int offset, int field) => throw new NotSupportedException();
}
