package text

// sides is a set of properties of a box: what is said of one last holds.
type sides uint16

const (
	sideLeft sides = 1 << iota
	sideRight
	sideTop
	sideBottom
	sideHeight
	sideMostHeight
	sideWidth
	sideMostWidth
	sideLine
	sideClip
)

func (s *sides) say(side sides, hidden bool) {
	if *s &^= side; hidden {
		*s |= side
	}
}

// boxed are declarations that hide only together.
type boxed struct {
	flat, small, far     sides // no height or width; a pixel or two; out of sight
	sized, clipped, open bool  // some; overflow that is not shown, or is
	placed, near         bool
	tall, wide           bool // at least
	turned, backless     bool // seen from behind; which does not show
	indented             bool // by all the width
	filled, cut          bool // letters have a filling of their own; the ground shows in letters alone
	svg                  bool // inside of <svg>
	firm                 bool
}

// settle says what the declarations do together.
func (b *boxed) settle(s *style) {
	if b.tall {
		b.flat &^= sideHeight | sideMostHeight
		b.small &^= sideHeight | sideMostHeight
	}
	if b.wide {
		b.flat &^= sideWidth | sideMostWidth
		b.small &^= sideWidth | sideMostWidth
	}
	dot := b.small&(sideHeight|sideMostHeight) != 0 && b.small&(sideWidth|sideMostWidth) != 0
	if (b.flat != 0 || dot || b.indented) && b.clipped {
		s.say(hideBox, true, b.firm)
	} else if b.sized && b.flat == 0 || b.open {
		s.say(hideBox, false, b.firm)
	}
	if b.far != 0 && b.placed {
		s.say(hidePlace, true, b.firm)
	} else if b.near && b.far == 0 {
		s.say(hidePlace, false, b.firm)
	}
	if b.turned && b.backless {
		s.say(hideTransform, true, b.firm)
	}
	if b.cut {
		if s.fg == clear_ && s.bg != unset {
			s.fg = s.bg
		}
		s.bg = unset
	}
}

// place takes in how far from an edge the box is.
func (b *boxed) place(value []byte, side sides, firm bool) {
	away := beyond(value, -farAway, veryFar)
	b.far.say(side, away)
	b.near, b.firm = b.near || !away, b.firm || firm
}

// size takes in the height or width, or the most that it may be.
func (b *boxed) size(value []byte, side sides, firm bool) {
	v, ok := lengthOf(value, 100)
	if !ok {
		if equalFold(value, "none") || equalFold(value, "auto") {
			b.flat.say(side, false)
			b.sized = true
		}
		return
	}
	b.flat.say(side, v >= 0 && v < 1)
	b.small.say(side, v >= 0 && v <= 2)
	b.sized = b.sized || v >= 1
	b.firm = b.firm || firm
}
