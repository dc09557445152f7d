module countersign.example/twilio-go

go 1.19

require github.com/twilio/twilio-go v1.30.9
