using System.Numerics;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

internal static partial class OutputRow
{
    private const int Neighbours = 8;

    public static partial Acc8 LoadBFloat16(long source, int count, int vector) =>
        Load<ushort, Int128>(source, count, vector, static bits => BFloat16Codec.Decode(bits));

    public static partial Acc8 LoadHalf(long source, int count, int vector) =>
        Load<ushort, Int128>(source, count, vector, static bits => HalfCodec.Decode(bits));

    public static partial Acc8 LoadSingle(long source, int count, int vector) => Load<float, Vector4>(source, count, vector, static value => value);

    public static partial void StoreBFloat16(Acc8 values, long target, int count, int vector) =>
        Store<ushort, Int128>(values, target, count, vector, static value => (ushort)BFloat16Codec.Encode(value));

    public static partial void StoreHalf(Acc8 values, long target, int count, int vector) =>
        Store<ushort, Int128>(values, target, count, vector, static value => (ushort)HalfCodec.Encode(value));

    public static partial void StoreSingle(Acc8 values, long target, int count, int vector) =>
        Store<float, Vector4>(values, target, count, vector, static value => value);

    private static unsafe Acc8 Load<T, TVector>(long source, int count, int vector, Func<T, float> decode)
        where T : unmanaged
        where TVector : unmanaged
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        T* elements = stackalloc T[Neighbours];
        if (vector != 0)
        {
            for (int at = 0; at < Neighbours * sizeof(T); at += sizeof(TVector))
                *(TVector*)((byte*)elements + at) = global.Load<TVector>(source + at);
        }
        else
        {
            for (int i = 0; i < Math.Min(count, Neighbours); i++)
                elements[i] = global.Load<T>(source + i * sizeof(T));
        }
        Acc8 values = default;
        Span<float> fields = Fragment.Of(ref values);
        for (int i = 0; i < Neighbours; i++)
            fields[i] = decode(elements[i]);
        return values;
    }

    private static unsafe void Store<T, TVector>(Acc8 values, long target, int count, int vector, Func<float, T> encode)
        where T : unmanaged
        where TVector : unmanaged
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        T* elements = stackalloc T[Neighbours];
        Span<float> fields = Fragment.Of(ref values);
        for (int i = 0; i < Neighbours; i++)
            elements[i] = encode(fields[i]);
        if (vector != 0 && count > 0)
        {
            for (int at = 0; at < Neighbours * sizeof(T); at += sizeof(TVector))
                global.Store(target + at, *(TVector*)((byte*)elements + at));
            return;
        }
        for (int i = 0; i < Math.Min(count, Neighbours); i++)
            global.Store(target + i * sizeof(T), elements[i]);
    }
}
