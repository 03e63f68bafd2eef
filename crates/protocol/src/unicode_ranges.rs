//! Ranges of the Unicode properties that names need and no other dependency has.
//!
//! A test compares them with the crate `icu_properties`, whose code and tables would be larger in the web app. When a new
//! Unicode version makes it fail, its output has the ranges to copy.

/// Characters from the first to the second, both included.
pub(crate) type Range = (char, char);

/// Characters that join the next one: `Joining_Type` `D` or `L`.
#[rustfmt::skip]
pub(crate) const JOINS_NEXT: &[Range] = &[
    ('\u{0620}', '\u{0620}'), ('\u{0626}', '\u{0626}'), ('\u{0628}', '\u{0628}'), ('\u{062A}', '\u{062E}'),
    ('\u{0633}', '\u{063F}'), ('\u{0641}', '\u{0647}'), ('\u{0649}', '\u{064A}'), ('\u{066E}', '\u{066F}'),
    ('\u{0678}', '\u{0687}'), ('\u{069A}', '\u{06BF}'), ('\u{06C1}', '\u{06C2}'), ('\u{06CC}', '\u{06CC}'),
    ('\u{06CE}', '\u{06CE}'), ('\u{06D0}', '\u{06D1}'), ('\u{06FA}', '\u{06FC}'), ('\u{06FF}', '\u{06FF}'),
    ('\u{0712}', '\u{0714}'), ('\u{071A}', '\u{071D}'), ('\u{071F}', '\u{0727}'), ('\u{0729}', '\u{0729}'),
    ('\u{072B}', '\u{072B}'), ('\u{072D}', '\u{072E}'), ('\u{074E}', '\u{0758}'), ('\u{075C}', '\u{076A}'),
    ('\u{076D}', '\u{0770}'), ('\u{0772}', '\u{0772}'), ('\u{0775}', '\u{0777}'), ('\u{077A}', '\u{077F}'),
    ('\u{07CA}', '\u{07EA}'), ('\u{0841}', '\u{0845}'), ('\u{0848}', '\u{0848}'), ('\u{084A}', '\u{0853}'),
    ('\u{0855}', '\u{0855}'), ('\u{0860}', '\u{0860}'), ('\u{0862}', '\u{0865}'), ('\u{0868}', '\u{0868}'),
    ('\u{0886}', '\u{0886}'), ('\u{0889}', '\u{088D}'), ('\u{088F}', '\u{088F}'), ('\u{08A0}', '\u{08A9}'),
    ('\u{08AF}', '\u{08B0}'), ('\u{08B3}', '\u{08B8}'), ('\u{08BA}', '\u{08C8}'), ('\u{1807}', '\u{1807}'),
    ('\u{1820}', '\u{1878}'), ('\u{1887}', '\u{18A8}'), ('\u{18AA}', '\u{18AA}'), ('\u{A840}', '\u{A872}'),
    ('\u{10AC0}', '\u{10AC4}'), ('\u{10ACD}', '\u{10ACD}'), ('\u{10AD3}', '\u{10ADC}'), ('\u{10ADE}', '\u{10AE0}'),
    ('\u{10AEB}', '\u{10AEE}'), ('\u{10B80}', '\u{10B80}'), ('\u{10B82}', '\u{10B82}'), ('\u{10B86}', '\u{10B88}'),
    ('\u{10B8A}', '\u{10B8B}'), ('\u{10B8D}', '\u{10B8D}'), ('\u{10B90}', '\u{10B90}'), ('\u{10BAD}', '\u{10BAE}'),
    ('\u{10D00}', '\u{10D21}'), ('\u{10D23}', '\u{10D23}'), ('\u{10EC3}', '\u{10EC4}'), ('\u{10EC6}', '\u{10EC7}'),
    ('\u{10ED9}', '\u{10EEE}'), ('\u{10F30}', '\u{10F32}'), ('\u{10F34}', '\u{10F44}'), ('\u{10F51}', '\u{10F53}'),
    ('\u{10F70}', '\u{10F73}'), ('\u{10F76}', '\u{10F81}'), ('\u{10FB0}', '\u{10FB0}'), ('\u{10FB2}', '\u{10FB3}'),
    ('\u{10FB8}', '\u{10FB8}'), ('\u{10FBB}', '\u{10FBC}'), ('\u{10FBE}', '\u{10FBF}'), ('\u{10FC1}', '\u{10FC1}'),
    ('\u{10FC4}', '\u{10FC4}'), ('\u{10FCA}', '\u{10FCB}'), ('\u{1E900}', '\u{1E943}'),
];

/// Characters that join the previous one: `Joining_Type` `D` or `R`.
#[rustfmt::skip]
pub(crate) const JOINS_PREVIOUS: &[Range] = &[
    ('\u{0620}', '\u{0620}'), ('\u{0622}', '\u{063F}'), ('\u{0641}', '\u{064A}'), ('\u{066E}', '\u{066F}'),
    ('\u{0671}', '\u{0673}'), ('\u{0675}', '\u{06D3}'), ('\u{06D5}', '\u{06D5}'), ('\u{06EE}', '\u{06EF}'),
    ('\u{06FA}', '\u{06FC}'), ('\u{06FF}', '\u{06FF}'), ('\u{0710}', '\u{0710}'), ('\u{0712}', '\u{072F}'),
    ('\u{074D}', '\u{077F}'), ('\u{07CA}', '\u{07EA}'), ('\u{0840}', '\u{0858}'), ('\u{0860}', '\u{0860}'),
    ('\u{0862}', '\u{0865}'), ('\u{0867}', '\u{086A}'), ('\u{0870}', '\u{0882}'), ('\u{0886}', '\u{0886}'),
    ('\u{0889}', '\u{088F}'), ('\u{08A0}', '\u{08AC}'), ('\u{08AE}', '\u{08C8}'), ('\u{1807}', '\u{1807}'),
    ('\u{1820}', '\u{1878}'), ('\u{1887}', '\u{18A8}'), ('\u{18AA}', '\u{18AA}'), ('\u{A840}', '\u{A871}'),
    ('\u{10AC0}', '\u{10AC5}'), ('\u{10AC7}', '\u{10AC7}'), ('\u{10AC9}', '\u{10ACA}'), ('\u{10ACE}', '\u{10AD6}'),
    ('\u{10AD8}', '\u{10AE1}'), ('\u{10AE4}', '\u{10AE4}'), ('\u{10AEB}', '\u{10AEF}'), ('\u{10B80}', '\u{10B91}'),
    ('\u{10BA9}', '\u{10BAE}'), ('\u{10D01}', '\u{10D23}'), ('\u{10EC2}', '\u{10EC4}'), ('\u{10EC6}', '\u{10EC7}'),
    ('\u{10F30}', '\u{10F44}'), ('\u{10F51}', '\u{10F54}'), ('\u{10F70}', '\u{10F81}'), ('\u{10FB0}', '\u{10FB0}'),
    ('\u{10FB2}', '\u{10FB6}'), ('\u{10FB8}', '\u{10FBF}'), ('\u{10FC1}', '\u{10FC4}'), ('\u{10FC9}', '\u{10FCA}'),
    ('\u{1E900}', '\u{1E943}'),
];

/// Characters that are emoji, or reserved for them: `Extended_Pictographic`.
#[rustfmt::skip]
pub(crate) const PICTOGRAPHIC: &[Range] = &[
    ('\u{00A9}', '\u{00A9}'), ('\u{00AE}', '\u{00AE}'), ('\u{203C}', '\u{203C}'), ('\u{2049}', '\u{2049}'),
    ('\u{2122}', '\u{2122}'), ('\u{2139}', '\u{2139}'), ('\u{2194}', '\u{2199}'), ('\u{21A9}', '\u{21AA}'),
    ('\u{231A}', '\u{231B}'), ('\u{2328}', '\u{2328}'), ('\u{23CF}', '\u{23CF}'), ('\u{23E9}', '\u{23F3}'),
    ('\u{23F8}', '\u{23FA}'), ('\u{24C2}', '\u{24C2}'), ('\u{25AA}', '\u{25AB}'), ('\u{25B6}', '\u{25B6}'),
    ('\u{25C0}', '\u{25C0}'), ('\u{25FB}', '\u{25FE}'), ('\u{2600}', '\u{2604}'), ('\u{260E}', '\u{260E}'),
    ('\u{2611}', '\u{2611}'), ('\u{2614}', '\u{2615}'), ('\u{2618}', '\u{2618}'), ('\u{261D}', '\u{261D}'),
    ('\u{2620}', '\u{2620}'), ('\u{2622}', '\u{2623}'), ('\u{2626}', '\u{2626}'), ('\u{262A}', '\u{262A}'),
    ('\u{262E}', '\u{262F}'), ('\u{2638}', '\u{263A}'), ('\u{2640}', '\u{2640}'), ('\u{2642}', '\u{2642}'),
    ('\u{2648}', '\u{2653}'), ('\u{265F}', '\u{2660}'), ('\u{2663}', '\u{2663}'), ('\u{2665}', '\u{2666}'),
    ('\u{2668}', '\u{2668}'), ('\u{267B}', '\u{267B}'), ('\u{267E}', '\u{267F}'), ('\u{2692}', '\u{2697}'),
    ('\u{2699}', '\u{2699}'), ('\u{269B}', '\u{269C}'), ('\u{26A0}', '\u{26A1}'), ('\u{26A7}', '\u{26A7}'),
    ('\u{26AA}', '\u{26AB}'), ('\u{26B0}', '\u{26B1}'), ('\u{26BD}', '\u{26BE}'), ('\u{26C4}', '\u{26C5}'),
    ('\u{26C8}', '\u{26C8}'), ('\u{26CE}', '\u{26CF}'), ('\u{26D1}', '\u{26D1}'), ('\u{26D3}', '\u{26D4}'),
    ('\u{26E9}', '\u{26EA}'), ('\u{26F0}', '\u{26F5}'), ('\u{26F7}', '\u{26FA}'), ('\u{26FD}', '\u{26FD}'),
    ('\u{2702}', '\u{2702}'), ('\u{2705}', '\u{2705}'), ('\u{2708}', '\u{270D}'), ('\u{270F}', '\u{270F}'),
    ('\u{2712}', '\u{2712}'), ('\u{2714}', '\u{2714}'), ('\u{2716}', '\u{2716}'), ('\u{271D}', '\u{271D}'),
    ('\u{2721}', '\u{2721}'), ('\u{2728}', '\u{2728}'), ('\u{2733}', '\u{2734}'), ('\u{2744}', '\u{2744}'),
    ('\u{2747}', '\u{2747}'), ('\u{274C}', '\u{274C}'), ('\u{274E}', '\u{274E}'), ('\u{2753}', '\u{2755}'),
    ('\u{2757}', '\u{2757}'), ('\u{2763}', '\u{2764}'), ('\u{2795}', '\u{2797}'), ('\u{27A1}', '\u{27A1}'),
    ('\u{27B0}', '\u{27B0}'), ('\u{27BF}', '\u{27BF}'), ('\u{2934}', '\u{2935}'), ('\u{2B05}', '\u{2B07}'),
    ('\u{2B1B}', '\u{2B1C}'), ('\u{2B50}', '\u{2B50}'), ('\u{2B55}', '\u{2B55}'), ('\u{3030}', '\u{3030}'),
    ('\u{303D}', '\u{303D}'), ('\u{3297}', '\u{3297}'), ('\u{3299}', '\u{3299}'), ('\u{1F004}', '\u{1F004}'),
    ('\u{1F02C}', '\u{1F02F}'), ('\u{1F094}', '\u{1F09F}'), ('\u{1F0AF}', '\u{1F0B0}'), ('\u{1F0C0}', '\u{1F0C0}'),
    ('\u{1F0CF}', '\u{1F0D0}'), ('\u{1F0F6}', '\u{1F0FF}'), ('\u{1F170}', '\u{1F171}'), ('\u{1F17E}', '\u{1F17F}'),
    ('\u{1F18E}', '\u{1F18E}'), ('\u{1F191}', '\u{1F19A}'), ('\u{1F1AF}', '\u{1F1E5}'), ('\u{1F201}', '\u{1F20F}'),
    ('\u{1F21A}', '\u{1F21A}'), ('\u{1F22F}', '\u{1F22F}'), ('\u{1F232}', '\u{1F23A}'), ('\u{1F23C}', '\u{1F23F}'),
    ('\u{1F249}', '\u{1F25F}'), ('\u{1F266}', '\u{1F321}'), ('\u{1F324}', '\u{1F393}'), ('\u{1F396}', '\u{1F397}'),
    ('\u{1F399}', '\u{1F39B}'), ('\u{1F39E}', '\u{1F3F0}'), ('\u{1F3F3}', '\u{1F3F5}'), ('\u{1F3F7}', '\u{1F3FA}'),
    ('\u{1F400}', '\u{1F4FD}'), ('\u{1F4FF}', '\u{1F53D}'), ('\u{1F549}', '\u{1F54E}'), ('\u{1F550}', '\u{1F567}'),
    ('\u{1F56F}', '\u{1F570}'), ('\u{1F573}', '\u{1F57A}'), ('\u{1F587}', '\u{1F587}'), ('\u{1F58A}', '\u{1F58D}'),
    ('\u{1F590}', '\u{1F590}'), ('\u{1F595}', '\u{1F596}'), ('\u{1F5A4}', '\u{1F5A5}'), ('\u{1F5A8}', '\u{1F5A8}'),
    ('\u{1F5B1}', '\u{1F5B2}'), ('\u{1F5BC}', '\u{1F5BC}'), ('\u{1F5C2}', '\u{1F5C4}'), ('\u{1F5D1}', '\u{1F5D3}'),
    ('\u{1F5DC}', '\u{1F5DE}'), ('\u{1F5E1}', '\u{1F5E1}'), ('\u{1F5E3}', '\u{1F5E3}'), ('\u{1F5E8}', '\u{1F5E8}'),
    ('\u{1F5EF}', '\u{1F5EF}'), ('\u{1F5F3}', '\u{1F5F3}'), ('\u{1F5FA}', '\u{1F64F}'), ('\u{1F680}', '\u{1F6C5}'),
    ('\u{1F6CB}', '\u{1F6D2}'), ('\u{1F6D5}', '\u{1F6E5}'), ('\u{1F6E9}', '\u{1F6E9}'), ('\u{1F6EB}', '\u{1F6F0}'),
    ('\u{1F6F3}', '\u{1F6FF}'), ('\u{1F7DC}', '\u{1F7F0}'), ('\u{1F80C}', '\u{1F80F}'), ('\u{1F848}', '\u{1F84F}'),
    ('\u{1F85A}', '\u{1F85F}'), ('\u{1F888}', '\u{1F88F}'), ('\u{1F8AE}', '\u{1F8AF}'), ('\u{1F8BC}', '\u{1F8BF}'),
    ('\u{1F8C2}', '\u{1F8CF}'), ('\u{1F8D9}', '\u{1F8FF}'), ('\u{1F90C}', '\u{1F93A}'), ('\u{1F93C}', '\u{1F945}'),
    ('\u{1F947}', '\u{1F9FF}'), ('\u{1FA58}', '\u{1FA5F}'), ('\u{1FA6E}', '\u{1FAFF}'), ('\u{1FC00}', '\u{1FFFD}'),
];

/// Whether the sorted table has the character.
pub(crate) fn contains(table: &[Range], c: char) -> bool {
    table
        .binary_search_by(|&(first, last)| {
            if last < c {
                core::cmp::Ordering::Less
            } else if first > c {
                core::cmp::Ordering::Greater
            } else {
                core::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use icu_properties::{
        CodePointMapData, CodePointSetData,
        props::{ExtendedPictographic, JoiningType},
    };

    use super::*;

    fn ranges(has: impl Fn(char) -> bool) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for c in ('\0'..=char::MAX).filter(|&c| has(c)) {
            match ranges.last_mut() {
                Some((_, last)) if u32::from(*last) + 1 == u32::from(c) => *last = c,
                _ => ranges.push((c, c)),
            }
        }
        ranges
    }

    #[test]
    fn tables_have_what_unicode_defines() {
        let joining = CodePointMapData::<JoiningType>::new();
        let pictographic = CodePointSetData::new::<ExtendedPictographic>();
        let is = |c, kinds: [JoiningType; 2]| kinds.contains(&joining.get(c));
        assert_eq!(JOINS_NEXT, ranges(|c| is(c, [JoiningType::DualJoining, JoiningType::LeftJoining])));
        assert_eq!(JOINS_PREVIOUS, ranges(|c| is(c, [JoiningType::DualJoining, JoiningType::RightJoining])));
        assert_eq!(PICTOGRAPHIC, ranges(|c| pictographic.contains(c)));
    }

    #[test]
    fn characters_are_found_in_a_table_or_not() {
        let table = [('b', 'd'), ('f', 'f')];
        assert!(['b', 'c', 'd', 'f'].into_iter().all(|c| contains(&table, c)));
        assert!(['a', 'e', 'g'].into_iter().all(|c| !contains(&table, c)));
        assert!(!contains(&[], 'a'));
    }
}
