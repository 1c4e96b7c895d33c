"""Ratings' verbs for other slices."""

from __future__ import annotations

from parking_cloud.ratings.scoring import known_scores, score_of, scores

__all__ = ["known_scores", "score_of", "scores"]
