// Package learned keeps what this installation has learned beside the base
// model: layers of weights, lessons, contacts, reputation, and a calibration
// that follows the mail.
//
// # Layers
//
// Above the base model lies one layer of the installation, above it one of each
// domain, above that one of each user; each corrects what those below it
// say. A lesson that a user teaches goes to his own layer fully. To the layers
// of his domain and of the installation it goes with a small weight, or not at
// all (Options.Share), less for each message that resembles one taught before,
// for users whose lessons contradict many others or the base, and only up to
// a sum that one user may move in a while.
//
// # What can leak, and what cannot
//
// No text is kept: a lesson is a vector of hashed features, numbers of 18 or 20
// bits in which many words share each place. Who reads the database can test
// whether a word he thinks of may have been in a lesson, never list the words;
// the bits of two features that fall together cannot be told apart. Who
// may only send mail and see how it is scored learns nothing from another
// user's layer, since it is never asked for anybody but its user. From the
// layers of domain and installation he could guess that somebody there has
// taught mail with certain words, by small shifts of the score of mail he sends
// himself. Options.Agree: 2 keeps from them all that only one user has taught;
// Options.Share.Domain and Share.Installation at 0 close them to users altogether.
// Reputation and contacts hold addresses: contacts are asked for by their own
// user alone, reputation tells how often a sender, domain, network or link
// domain was seen here, and not by whom.
//
// # Lessons
//
// Lessons are a log, in the order in which they were taught. Layers are saved
// from time to time with the number of the last lesson in them; after a crash
// the later ones are learned again. A lesson can be undone for as long as its
// vector is kept (Options.Keep); taught again with the other label it is undone first.
// Commands may teach while the gateway runs: it looks for new lessons every few
// seconds. Only the gateway saves layers.
//
// # Reputation
//
// Sightings are gathered in memory and written in batches, never in the path
// of a message; a crash loses some seconds of them. Counts halve in
// thirty days. What lessons count is written with them, in one transaction.
//
// Clues, what is known beside a message, have a reputation too: how much
// of the weight that was written for them mail here has shown them to be worth.
package learned
