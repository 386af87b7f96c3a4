package shape

import "testing"

func TestTranslateSpellsJavaPatternsAsGoDoes(t *testing.T) {
	for java, want := range map[string]string{
		`[a-z]{1,64}`:        `[a-z]{1,64}`,
		`a{0,5000}`:          `a{0,}`,
		`\p{Alnum}+`:         `[[:alnum:]]+`,
		`[\p{Alnum}_]`:       `[[:alnum:]_]`,
		`\P{IsLetter}`:       `\P{Letter}`,
		`[]a]|[^]a]`:         `[\]a]|[^\]a]`,
		`[a[b]`:              `[a\[b]`,
		`\h[\h]`:             `[\t\p{Zs}][\t\p{Zs}]`,
		`a\Z`:                `a\z`,
		`\u00e4`:             `\x{00e4}`,
		`[\uD83D\uDE00-\uD]`: `[\x{1f600}-\uD]`,
		`a*+b\++`:            `a*b\++`,
		`\p`:                 `\p`,
	} {
		if got := translate(java); got != want {
			t.Errorf("translate(%s) = %s, want %s", java, got, want)
		}
	}
}
