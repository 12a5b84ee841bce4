package learned

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of what is known beside a message.
const (
	// MaxClues is how many clues of one message there are.
	MaxClues = 16
	// MaxEvidence bounds all clues of a message together, in log-odds: they can
	// tip the scales, and cannot hide what a message says.
	MaxEvidence = 6
	// maxReputation bounds those that are of its sender together.
	maxReputation = 2.5
	// maxClueName bounds the name of a clue, in octets.
	maxClueName = 70
)

// Clue is one thing that is known beside a message: that a list has its
// client, what came from its sender before.
type Clue struct {
	Name string
	// Odds is what it says by itself, in log-odds, above 0 for spam.
	Odds float64
	// Full is how large Odds may be.
	Full float64
}

// Names of clues about the sender; others are those of filters and lists.
const (
	ClueAddress = "address"
	ClueDomain  = "domain"
	ClueNetwork = "network"
	ClueLink    = "link"
)

// Reputed tells whether a clue is of what came from a sender before.
func Reputed(name string) bool {
	switch name {
	case ClueAddress, ClueDomain, ClueNetwork, ClueLink:
		return true
	}
	return false
}

// Together is what clues say together, in log-odds, each as many times as it
// is worth here.
func Together(clues []Clue, worth []float64) float64 {
	sum, sender := 0.0, 0.0
	for i, c := range clues {
		if Reputed(c.Name) {
			sender += c.Odds * worth[i]
		} else {
			sum += c.Odds * worth[i]
		}
	}
	return sum + max(-maxReputation, min(sender, maxReputation))
}

// Learning what clues are worth: logistic regression, one step a lesson, above
// the odds of the message itself. A weight is kept as the share of the written one,
// that is the prior: from 0, which is none, to maxWorth times; no lessons turn a
// clue to its contrary. What was learned fades to the prior, by half in
// halfLife, as all of the reputation does, and a little with each lesson.
const (
	maxWorth = 2
	// clueRate is how far a clue's full log-odds move with the lesson of an
	// administrator that nobody expected. With it one user's voice, twice in a row of
	// half lives, moves them by less than his share of the installation.
	clueRate = 0.9
	// clueRidge is by which share of what was learned a lesson takes it back.
	clueRidge = 0.02
	// unexpected is the least error of the probability that teaches something.
	unexpected = 0.05
)

// kindClue names clues in the reputation; Good is there what lowered the
// worth, and Bad what raised it.
const kindClue = "k:"

// worth is that of a clue by its counts.
func (c Counts) worth() float64 { return max(0, min(1+c.Bad-c.Good, maxWorth)) }

// Worth returns what clues are worth here: by how much each of their odds is to
// be multiplied, 1 where nothing was taught, from 0 to 2. It answers from memory
// where it can, and otherwise waits for the database at most 250 ms; what
// it does not get is 1.
func (s *Store) Worth(ctx context.Context, clues []Clue) []float64 {
	worth := make([]float64, len(clues))
	names := make([]string, len(clues))
	for i, c := range clues {
		worth[i], names[i] = 1, kindClue+c.Name
	}
	now := time.Now()
	for from := 0; from < len(names); from += maxNames {
		to := min(from+maxNames, len(names))
		rows, _ := s.rows(ctx, names[from:to]) // what is known comes beside an error
		for i := from; i < to; i++ {
			worth[i] = rows[names[i]].counts(now).worth()
		}
	}
	return worth
}

// checkClues returns those that are such, each once and within its bounds.
func checkClues(clues []Clue) (list []Clue) {
	for _, c := range clues[:min(len(clues), MaxClues)] {
		name, ok := normalName(c.Name)
		if !ok || name != c.Name || len(name) > maxClueName || math.IsNaN(c.Odds) || !(c.Full > 0) {
			continue
		}
		c.Full = min(c.Full, 2*MaxEvidence)
		if slices.ContainsFunc(list, func(o Clue) bool { return o.Name == name }) {
			continue
		}
		c.Odds = max(-c.Full, min(c.Odds, c.Full))
		list = append(list, c)
	}
	return list
}

// teaches are the steps of a lesson: by how much it changes what its clues are
// worth, for a voice of one.
func (p *prepared) teaches(ctx context.Context, tx *sqldb.Tx, now time.Time) ([]mention, error) {
	if len(p.Clues) == 0 {
		return nil, nil
	}
	learned, err := readClues(ctx, tx, p.Clues, now)
	if err != nil {
		return nil, err
	}
	worth := make([]float64, len(p.Clues))
	for i, x := range learned {
		worth[i] = max(0, min(1+x, maxWorth))
	}
	odds := max(-MaxEvidence, min(Together(p.Clues, worth), MaxEvidence))
	wrong := p.model.Add(p.own, odds).Probability
	if p.Spam {
		wrong--
	}
	if math.Abs(wrong) < unexpected {
		return nil, nil
	}
	size := 0.0
	for _, c := range p.Clues {
		size += c.Odds * c.Odds / (c.Full * c.Full)
	}
	rate := clueRate * p.model.Trust(p.own, p.Spam) / max(size, 1)
	var list []mention
	for i, c := range p.Clues {
		step := -rate * wrong * c.Odds / (c.Full * max(c.Full, 1))
		if Reputed(c.Name) {
			step /= 2 // it speaks for either class, and so does who teaches
		}
		step -= clueRidge * learned[i]
		if out := 1 + learned[i]; out <= 0 && step < 0 || out >= maxWorth && step > 0 {
			continue // it cannot count less than nothing
		}
		if step != 0 {
			list = append(list, mention{kindClue + c.Name, step})
		}
	}
	return list, nil
}

// readClues returns what was learned of clues: how far their worth is from 1.
func readClues(ctx context.Context, tx *sqldb.Tx, clues []Clue, now time.Time) ([]float64, error) {
	names := make([]any, MaxClues) // always as many, so that statements are few
	for i := range names {
		names[i] = kindClue + clues[min(i, len(clues)-1)].Name
	}
	learned := make([]float64, len(clues))
	k := 1 / inflate(now, halfLife)
	rows, err := tx.Query(ctx, "SELECT name, good, bad FROM learned_reputation WHERE name IN ("+sqldb.Marks(MaxClues)+")", names...)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var name string
		var good, bad float64
		if err := row.Scan(&name, &good, &bad); err != nil {
			return err
		}
		for i, c := range clues {
			if kindClue+c.Name == name {
				learned[i] = k * (bad - good)
			}
		}
		return nil
	})
	return learned, err
}

// judgeClues notes what the message itself says, by which its clues are learned.
func (s *Store) judgeClues(ctx context.Context, p *prepared) {
	if p.Clues = checkClues(p.Clues); len(p.Clues) == 0 {
		return
	}
	var layers []*model.Layer
	if p.model = s.model.Load(); p.model != nil {
		layers = s.Layers(ctx, "")
	} else if p.model = s.deps.Base; p.model == nil {
		p.model = model.Empty()
	}
	p.own = p.model.Score(p.Vector, layers...)
}
