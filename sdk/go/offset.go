package grille

import "unicode/utf8"

// ByteOffset turns an index that counts characters (as in []rune(text)) into the byte offset that findings need. It is false
// if the text has fewer characters. Indexes into a string, and those of packages strings and regexp, are byte offsets already.
func ByteOffset(text string, characters int) (int, bool) {
	if characters < 0 {
		return 0, false
	}
	for offset := range text {
		if characters == 0 {
			return offset, true
		}
		characters--
	}
	return len(text), characters == 0
}

// onBoundary says whether no character of the text is cut at the offset.
func onBoundary(text string, offset int) bool {
	return offset == len(text) || offset >= 0 && offset < len(text) && utf8.RuneStart(text[offset])
}
