"""Who should answer: signals of difficulty on a little and a big model's answers, compared side by side."""
