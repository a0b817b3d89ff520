package collector

import "context"

// Patterns are those of the routes that the description of the API is about.
func (s *Service) Patterns() []string { return s.patterns }

// Round is one of the estimator.
func (s *Service) Round(ctx context.Context) error { return s.estimator.round(ctx) }
