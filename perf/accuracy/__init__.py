"""How often a model is right, by likelihood: WinoGrande by partial scoring, multiple choice by the choice."""
