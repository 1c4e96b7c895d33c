"""Gates: passages of vehicles as barriers report them, with their corrections, and sightings elsewhere."""
