package flags

// Nearest returns the one of some known words that a word is most likely meant to be: at
// most two letters are different, missing, too many or exchanged, and one in a short word. Words of
// three letters are too near to each other.
// It is "" if there is no such word.
func Nearest(word string, known []string) string {
	most := 2
	if len(word) < 6 {
		most = 1
	}
	if len(word) < 4 || len(word) > longestWord {
		return ""
	}
	nearest := ""
	for _, k := range known {
		if abs(len(k)-len(word)) > most {
			continue
		}
		if d := distance(word, k); d <= most {
			nearest, most = k, d-1 // only a nearer one is better
		}
	}
	return nearest
}

// longestWord bounds what is compared; no flag, key or capability is as long.
const longestWord = 64

func abs(n int) int { return max(n, -n) }

// distance is how many letters have to be changed, left out, put in or exchanged with
// their neighbour to make one word of another.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
