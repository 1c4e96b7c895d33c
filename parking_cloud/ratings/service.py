"""Ratings' verbs for other slices."""

from __future__ import annotations

from parking_cloud.ratings.drivers import forget, my_ratings, open_stays
from parking_cloud.ratings.scoring import known_scores, score_of, scores

__all__ = ["forget", "known_scores", "my_ratings", "open_stays", "score_of", "scores"]
