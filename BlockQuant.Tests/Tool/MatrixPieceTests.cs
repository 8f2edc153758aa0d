using BlockQuant.Tool.Conversion;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Tool;

/// <summary>Pieces cover a matrix once, begin with a block, and are never too large.</summary>
public sealed class MatrixPieceTests
{
    [Test]
    public void PiecesCoverTheMatrixOnce()
    {
        Gen<(int Rows, int Columns, int BlockRows, int BlockColumns)> shapes =
            from rows in Gen.OneOf(Gen.Choose(1, 300), Gen.Choose(1, 200_000))
            from columns in Gen.OneOf(Gen.Choose(1, 300), Gen.Choose(1, 20_000_000))
            from blockRows in Gen.Choose(1, 300)
            from blockColumns in Gen.Choose(1, 300)
            where (long)rows * columns < 1L << 36
            select (rows, columns, blockRows, blockColumns);
        Prop.ForAll(shapes.ToArbitrary(), shape =>
        {
            long covered = 0;
            (long Row, long Column) next = (0, 0);
            foreach (MatrixPiece piece in MatrixPiece.Cut(shape.Rows, shape.Columns, shape.BlockRows, shape.BlockColumns))
            {
                (piece.Row, piece.Column).Should().Be(next);
                ((long)piece.Rows * piece.Columns).Should().BeInRange(1, MatrixPiece.MaxElements);
                (piece.Row % Math.Min(shape.BlockRows, shape.Rows)).Should().Be(0);
                (piece.Column % Math.Min(shape.BlockColumns, shape.Columns)).Should().Be(0);
                covered += piece.Elements;
                next = piece.Column + piece.Columns < shape.Columns ? (piece.Row, piece.Column + piece.Columns) : (piece.Row + piece.Rows, 0);
            }

            next.Should().Be((shape.Rows, 0));
            return covered == (long)shape.Rows * shape.Columns;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Test]
    public void AnEmptyMatrixHasNoPieces() => MatrixPiece.Cut(0, 16, 128, 128).Should().BeEmpty();
}
