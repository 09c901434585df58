//! A table in plain text: columns as wide as their widest cell, two blanks between them.

/// Lays rows out; columns from `numbers_from` on are aligned to the right. The first row is the
/// heading, and says how many columns there are.
pub fn table(rows: &[Vec<String>], numbers_from: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| {
            if column < numbers_from {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["name", "n"], ["long name", "7"], ["x", "1234"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        assert_eq!(
            table(&rows, 1),
            "name          n\nlong name     7\nx          1234\n"
        );
        assert_eq!(table(&[], 0), "");
    }
}
