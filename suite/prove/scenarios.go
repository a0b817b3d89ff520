package prove

// base is a town in which nothing is wrong.
var base = Scenario{Members: 40, PerHour: 200, OptIn: 0.4, Loss: 0.03, Repair: 0.9}

// Costly tells whether a seed of the scenario takes seconds: then a tenth of the seeds
// is played.
func (s *Scenario) Costly() bool { return s.Crowd || s.Large }

// Find returns the scenario with a name, and whether there is one.
func Find(name string) (Scenario, bool) {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// Scenarios lists the towns that are played.
func Scenarios() []Scenario {
	make := func(name, what string, change func(*Scenario)) Scenario {
		s := base
		s.Name, s.What = name, what
		change(&s)
		return s
	}
	return []Scenario{
		make("calm", "3 % of first copies are lost, a store repairs 90 % of them", func(*Scenario) {}),
		make("independent loss", "5 % of copies are lost, nothing is repaired", func(s *Scenario) { s.Loss, s.Repair = 0.05, 0 }),
		make("half lost for everybody", "half of the messages leave and reach nobody", func(s *Scenario) { s.Shared = 0.5 }),
		make("one member cut off", "one reporting member gets nothing and does not notice", func(s *Scenario) { s.Cut = 1 }),
		make("unsent messages", "30 % of the messages never leave their author", func(s *Scenario) { s.Unsent = 0.3 }),
		make("40 % offline", "40 % of the devices are offline for half an hour, a tenth of them never returns",
			func(s *Scenario) { s.Drop, s.NoReturn = 0.4, 0.1 }),
		make("full drop, 10 % gone", "everybody is offline for half an hour, 10 % never return", func(s *Scenario) { s.PerHour, s.Drop, s.NoReturn = 450, 1, 0.1 }),
		make("full drop, 30 % gone", "everybody is offline for half an hour, 30 % never return", func(s *Scenario) { s.PerHour, s.Drop, s.NoReturn = 700, 1, 0.3 }),
		make("full drop, live", "the same, seen after 20 minutes of it", func(s *Scenario) {
			s.PerHour, s.Drop, s.NoReturn, s.Seen = 1400, 1, 0.3, dropFrom+20*minute
		}),
		make("15 % report", "100 members, 15 % of whom report", func(s *Scenario) { s.Members, s.OptIn = 100, 0.15 }),
		make("half of 400 report", "400 members, 5 % of copies are lost, half of the members report", func(s *Scenario) {
			s.Members, s.PerHour, s.OptIn, s.Loss, s.Repair, s.Large = 400, 100, 0.5, 0.05, 0, true
		}),
		make("all report", "everybody reports", func(s *Scenario) { s.OptIn = 1 }),
		make("15 % report, 30 % gone", "100 members, 15 % report, 40 % offline, 30 % of them never return", func(s *Scenario) {
			s.Members, s.PerHour, s.OptIn, s.Drop, s.NoReturn = 100, 800, 0.15, 0.4, 0.3
		}),
		make("skewed clocks", "clocks are wrong by up to five minutes", func(s *Scenario) { s.Skew = 5 * minute }),
		make("copies, out of order", "uploads arrive up to many times, in any order", func(s *Scenario) { s.Copies = true }),
		make("collector down", "the collector is down for half an hour", func(s *Scenario) { s.Collector = true }),
		make("crashes", "each device crashes every other hour, and is back after five minutes", func(s *Scenario) { s.PerHour, s.Crashes = 300, 0.5 }),
		make("phones asleep", "60 % of the devices sleep most of the time", func(s *Scenario) { s.Asleep = 0.6 }),
		make("sds, 20 % loss", "package sds among 30 members, each of whom loses a fifth of all packets; one is cut off", func(s *Scenario) {
			s.Members, s.PerHour, s.Loss, s.Cut, s.Crowd = 30, 60, 0.2, 1, true
		}),
		make("sds, full drop", "package sds, everybody is offline for half an hour, 20 % never return", func(s *Scenario) {
			s.Members, s.PerHour, s.OptIn, s.Loss, s.Drop, s.NoReturn, s.Crowd = 30, 150, 0.8, 0.05, 1, 0.2, true
		}),
		make("two protocols", "two groups, of which the first loses 4 % and the second 2 %", func(s *Scenario) {
			s.Members, s.PerHour, s.OptIn, s.Loss, s.Repair, s.Protocols = 80, 400, 0.5, 0.04, 0, true
		}),
		make("same protocol", "two groups that lose 4 % both", func(s *Scenario) {
			s.Members, s.PerHour, s.OptIn, s.Loss, s.Repair, s.Protocols, s.Same = 80, 400, 0.5, 0.04, 0, true, true
		}),
	}
}
