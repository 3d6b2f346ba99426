//! Median and spread of a few figures.

/// The middle of the values; of two middles their mean. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(upper), 0) => f64::midpoint(sorted[middle - 1], *upper),
        (Some(value), _) => *value,
    }
}

/// From the least to the greatest, as a part of the median.
pub fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = median(values);
    if values.is_empty() || median == 0.0 { 0.0 } else { (greatest - least) / median }
}

/// Three significant digits, thousands apart.
pub fn shown(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", grouped(whole)),
        None => grouped(&text),
    }
}

/// A count: all its digits, thousands apart.
pub fn counted(count: f64) -> String {
    grouped(&format!("{count:.0}"))
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        assert!((spread(&[9.0, 10.0, 11.0]) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn figures_are_shown_with_three_digits() {
        for (value, text) in [(1234.5, "1,234"), (1_234_567.0, "1,234,567"), (12.34, "12.3"), (0.1234, "0.123")] {
            assert_eq!(shown(value), text);
        }
        assert_eq!(counted(20.0), "20");
        assert_eq!(counted(10_000.0), "10,000");
    }
}
